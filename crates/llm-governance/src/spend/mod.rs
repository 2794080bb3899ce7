//! Reports of what was spent: `/spend/*`, `/global/*`, and the daily activity of users, teams, organizations, tags and
//! customers.
//!
//! Days are read from sums that are kept as requests are charged, single requests from their rows. A caller sees its own;
//! the admins of a team see the team's.

mod activity;
mod csv;
mod daily;
mod dates;
mod fields;
mod global;
mod metadata;
mod person;
mod report;
mod requests;
mod shown;
mod sums;
mod view;
mod written;

use crate::routes::{Route, route};

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Get "/spend/logs", Own, requests::logs, "Lists requests, or sums them up by day.", query fields::LOGS),
    route!(Get "/spend/logs/ui", Own, requests::pages, "Lists requests in pages.", query fields::PAGES),
    route!(Get "/spend/logs/v2", Own, requests::pages, "Lists requests in pages.", query fields::PAGES),
    route!(Get "/spend/logs/session/ui", Own, requests::session, "Lists the requests of a session.", query fields::SESSION),
    route!(Get "/spend/logs/ui/{request_id}", Own, requests::one, "Shows a request.", query fields::ONE),
    route!(Get "/spend/keys", Own, person::keys, "Lists keys, those that spent most first.", query fields::TOP),
    route!(Get "/spend/users", Own, person::users, "Lists users, those that spent most first.", query fields::USERS),
    route!(Get "/spend/tags", Admin, global::individual_tags, "Sums up each tag.", query fields::DATES),
    route!(Get "/global/spend", Admin, global::spend, "Says what everybody spent together."),
    route!(Get "/global/spend/logs", Admin, global::logs, "Sums up each day.", query fields::GLOBAL),
    route!(Get "/global/spend/keys", Admin, global::keys, "Sums up the keys that spent most.", query fields::GLOBAL),
    route!(Get "/global/spend/models", Admin, global::models, "Sums up the models that cost most.", query fields::GLOBAL),
    route!(Get "/global/spend/teams", Admin, global::teams, "Sums up each team by day.", query fields::GLOBAL),
    route!(Get "/global/spend/tags", Admin, global::tags, "Sums up each tag.", query fields::TAGS),
    route!(Get "/global/spend/all_tag_names", Admin, global::tag_names, "Names the tags of requests."),
    route!(Get "/global/spend/provider", Admin, global::providers, "Sums up each provider.", query fields::GLOBAL),
    route!(Post "/global/spend/end_users", Admin, global::end_users, "Sums up the customers that cost most.", body fields::END_USERS),
    route!(Get "/global/all_end_users", Admin, global::all_end_users, "Names the customers of requests."),
    route!(Post "/global/spend/refresh", Admin, global::refresh, "Says that sums are kept as requests are charged."),
    route!(Post "/global/spend/reset", Admin, global::reset, "Sets what keys and teams have spent to nothing."),
    route!(Get "/global/spend/report", Admin, report::global, "Sums up days by team, customer or key.", query fields::REPORT),
    route!(Get "/key/spend/report", Own, report::key, "Sums up keys by model.", query fields::REPORT),
    route!(Get "/user/spend/report", Own, report::user, "Sums up users by model.", query fields::REPORT),
    route!(Get "/team/spend/report", Own, report::team, "Sums up teams by model.", query fields::REPORT),
    route!(Get "/organization/spend/report", Own, report::organization, "Sums up organizations by model.", query fields::REPORT),
    route!(Get "/global/activity", Own, activity::all, "Counts requests and tokens by day.", query fields::ACTIVITY),
    route!(Get "/global/activity/model", Own, activity::models, "Counts requests and tokens by model and day.", query fields::ACTIVITY),
    route!(Get "/global/activity/exceptions", Admin, activity::exceptions, "Counts refusals for too many requests by day.", query fields::ACTIVITY),
    route!(Get "/global/activity/exceptions/deployment", Admin, activity::exceptions_by_deployment, "Counts refusals for too many requests by deployment and day.", query fields::ACTIVITY),
    route!(Get "/global/activity/cache_hits", Admin, activity::cache_hits, "Counts answers from the cache.", query fields::ACTIVITY),
    route!(Get "/user/daily/activity", Own, daily::user, "Sums up users by day.", query fields::DAILY),
    route!(Get "/user/daily/activity/aggregated", Own, daily::user_whole, "Sums up users by day, on one page.", query fields::DAILY),
    route!(Get "/user/daily/activity/export", Own, daily::user_export, "Sums up users by day, as CSV.", query fields::DAILY),
    route!(Get "/team/daily/activity", Own, daily::team, "Sums up teams by day.", query fields::DAILY),
    route!(Get "/team/daily/activity/aggregated", Own, daily::team_whole, "Sums up teams by day, on one page.", query fields::DAILY),
    route!(Get "/team/daily/activity/export", Own, daily::team_export, "Sums up teams by day, as CSV.", query fields::DAILY),
    route!(Get "/tag/daily/activity", Own, daily::tag, "Sums up tags by day.", query fields::DAILY),
    route!(Get "/tag/daily/activity/aggregated", Own, daily::tag_whole, "Sums up tags by day, on one page.", query fields::DAILY),
    route!(Get "/tag/daily/activity/export", Own, daily::tag_export, "Sums up tags by day, as CSV.", query fields::DAILY),
    route!(Get "/organization/daily/activity", Own, daily::organization, "Sums up organizations by day.", query fields::DAILY),
    route!(Get "/organization/daily/activity/aggregated", Own, daily::organization_whole, "Sums up organizations by day, on one page.", query fields::DAILY),
    route!(Get "/organization/daily/activity/export", Own, daily::organization_export, "Sums up organizations by day, as CSV.", query fields::DAILY),
    route!(Get "/customer/daily/activity", Admin, daily::customer, "Sums up customers by day.", query fields::DAILY),
    route!(Get "/customer/daily/activity/aggregated", Admin, daily::customer_whole, "Sums up customers by day, on one page.", query fields::DAILY),
    route!(Get "/customer/daily/activity/export", Admin, daily::customer_export, "Sums up customers by day, as CSV.", query fields::DAILY),
    route!(Get "/agent/daily/activity", Admin, daily::agent, "Sums up agents by day.", query fields::DAILY),
    route!(Get "/agent/daily/activity/aggregated", Admin, daily::agent_whole, "Sums up agents by day, on one page.", query fields::DAILY),
    route!(Get "/agent/daily/activity/export", Admin, daily::agent_export, "Sums up agents by day, as CSV.", query fields::DAILY),
    route!(Get "/end_user/daily/activity", Admin, daily::customer, "Sums up customers by day.", query fields::DAILY),
];
