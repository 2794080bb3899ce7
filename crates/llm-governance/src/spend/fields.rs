use crate::form::{Field, Kind};

const TEXT: Kind = Kind::Text;

/// How the answer is written.
const FORMAT: Field = Field::apart("format", Kind::Choice(&["json", "csv"]));

const START: Field = Field::apart("start_date", TEXT);
const END: Field = Field::apart("end_date", TEXT);

const FILTERS: &[Field] = &[
    Field::apart("api_key", TEXT),
    Field::apart("user_id", TEXT),
    Field::apart("team_id", TEXT),
    Field::apart("organization_id", TEXT),
    Field::apart("project_id", TEXT),
    Field::apart("end_user", TEXT),
    Field::apart("request_id", TEXT),
    START,
    END,
    FORMAT,
];

pub(super) const LOGS: &[&[Field]] = &[
    FILTERS,
    &[
        Field::apart("summarize", Kind::Flag),
        Field::apart("limit", Kind::Count),
    ],
];

pub(super) const PAGES: &[&[Field]] = &[
    FILTERS,
    &[
        Field::apart("page", Kind::Count),
        Field::apart("page_size", Kind::Count),
        Field::apart("cursor", TEXT),
        Field::apart("session_id", TEXT),
        Field::apart("model", TEXT),
        Field::apart("model_group", TEXT),
        Field::apart("model_id", TEXT),
        Field::apart("custom_llm_provider", TEXT),
        Field::apart(
            "status_filter",
            Kind::Choice(&["success", "failure", "unknown"]),
        ),
        Field::apart("error_code", TEXT),
        Field::apart("key_alias", TEXT),
        Field::apart("min_spend", Kind::Dollars),
        Field::apart("max_spend", Kind::Dollars),
        Field::apart(
            "sort_by",
            Kind::Choice(&[
                "spend",
                "total_tokens",
                "startTime",
                "endTime",
                "request_duration_ms",
            ]),
        ),
        Field::apart("sort_order", Kind::Choice(&["asc", "desc"])),
    ],
];

pub(super) const SESSION: &[&[Field]] = &[&[
    Field::apart("session_id", TEXT),
    Field::apart("page", Kind::Count),
    Field::apart("page_size", Kind::Count),
    FORMAT,
]];

pub(super) const ONE: &[&[Field]] = &[&[START, END]];

pub(super) const TOP: &[&[Field]] = &[&[Field::apart("limit", Kind::Count), FORMAT]];

pub(super) const USERS: &[&[Field]] = &[&[
    Field::apart("user_id", TEXT),
    Field::apart("limit", Kind::Count),
    FORMAT,
]];

pub(super) const DATES: &[&[Field]] = &[&[START, END, FORMAT]];

pub(super) const GLOBAL: &[&[Field]] = &[&[
    START,
    END,
    Field::apart("api_key", TEXT),
    Field::apart("limit", Kind::Count),
    FORMAT,
]];

pub(super) const TAGS: &[&[Field]] = &[&[START, END, Field::apart("tags", Kind::Texts), FORMAT]];

pub(super) const END_USERS: &[&[Field]] = &[&[
    Field::apart("api_key", TEXT),
    Field::apart("startTime", TEXT),
    Field::apart("endTime", TEXT),
]];

pub(super) const REPORT: &[&[Field]] = &[&[
    START,
    END,
    Field::apart(
        "group_by",
        Kind::Choice(&[
            "team",
            "customer",
            "api_key",
            "internal_user",
            "organization",
        ]),
    ),
    Field::apart("api_key", TEXT),
    Field::apart("internal_user_id", TEXT),
    Field::apart("user_id", TEXT),
    Field::apart("team_id", TEXT),
    Field::apart("customer_id", TEXT),
    Field::apart("organization_id", TEXT),
    FORMAT,
]];

pub(super) const ACTIVITY: &[&[Field]] =
    &[&[START, END, Field::apart("model_group", TEXT), FORMAT]];

pub(super) const DAILY: &[&[Field]] = &[&[
    START,
    END,
    Field::apart("timezone", TEXT),
    Field::apart("model", TEXT),
    Field::apart("api_key", TEXT),
    Field::apart("page", Kind::Count),
    Field::apart("page_size", Kind::Count),
    Field::apart("user_id", TEXT),
    Field::apart("team_ids", Kind::Texts),
    Field::apart("exclude_team_ids", Kind::Texts),
    Field::apart("tags", Kind::Texts),
    Field::apart("exclude_tags", Kind::Texts),
    Field::apart("organization_ids", Kind::Texts),
    Field::apart("exclude_organization_ids", Kind::Texts),
    Field::apart("end_user_ids", Kind::Texts),
    Field::apart("exclude_end_user_ids", Kind::Texts),
    Field::apart("agent_ids", Kind::Texts),
    Field::apart("exclude_agent_ids", Kind::Texts),
    FORMAT,
]];
