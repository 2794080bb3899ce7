//! Deployments that are for some teams alone at some hours.

use jiff::{Timestamp, Zoned, civil::Time, tz::TimeZone};

use crate::{Deployment, Field, Filter, Moment, Reason, SettingsError, View};

/// Hours of every day in which a deployment is reserved for some teams: LiteLLM's `access_windows`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessWindow {
    start: Time,
    end: Time,
    zone: TimeZone,
    teams: Vec<String>,
}

/// Leaves out who is reserved for teams that the request does not come from.
#[derive(Debug)]
pub(crate) struct Reserved;

impl AccessWindow {
    /// From `start` to before `end` by the clocks of `zone`, over midnight where the end comes first. Times are `HH:MM`,
    /// zones those of the time zone database.
    pub fn parse(
        start: &str,
        end: &str,
        zone: &str,
        teams: Vec<String>,
    ) -> Result<Self, SettingsError> {
        let time = |key: &str, text: &str| {
            Time::strptime("%H:%M", text).map_err(|_| {
                SettingsError(format!("'{key}': '{text}' is not a time such as 06:30"))
            })
        };
        let window = Self {
            start: time("start", start)?,
            end: time("end", end)?,
            zone: TimeZone::get(zone).map_err(|_| {
                SettingsError(format!(
                    "'timezone': there is no time zone '{zone}': expected a name such as Europe/Paris"
                ))
            })?,
            teams,
        };
        if window.start == window.end {
            let message = "'end': a window that ends when it starts is none";
            return Err(SettingsError(message.into()));
        }
        if window.teams.is_empty() {
            return Err(SettingsError("'team_ids': no team is named".into()));
        }
        Ok(window)
    }

    /// When it ends, if it is open.
    fn ends(&self, now: Moment) -> Option<Moment> {
        let here = self.here(now)?;
        let time = here.time();
        let over_midnight = self.end < self.start;
        let open = match over_midnight {
            false => self.start <= time && time < self.end,
            true => self.start <= time || time < self.end,
        };
        if !open {
            return None;
        }
        let day = match over_midnight && time >= self.start {
            true => here.date().tomorrow().ok()?,
            false => here.date(),
        };
        let end = day.to_datetime(self.end).to_zoned(self.zone.clone()).ok()?;
        let millis = end.timestamp().as_millisecond().try_into().ok()?;
        Some(Moment::from_millis(millis))
    }

    fn here(&self, now: Moment) -> Option<Zoned> {
        let millis = now.millis().try_into().ok()?;
        let now = Timestamp::from_millisecond(millis).ok()?;
        Some(now.to_zoned(self.zone.clone()))
    }
}

impl std::fmt::Display for AccessWindow {
    /// When it ends, for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        write!(f, "{} {zone}", self.end.strftime("%H:%M"))
    }
}

/// The window that keeps `deployment` from `team` now, and its end.
pub(crate) fn reservation<'d>(
    deployment: &'d Deployment,
    team: Option<&str>,
    now: Moment,
) -> Option<(&'d AccessWindow, Moment)> {
    let open = |window: &'d AccessWindow| Some((window, window.ends(now)?));
    let mut all = deployment.access_windows.iter().filter_map(open);
    let first = all.next()?;
    let is_theirs =
        |window: &AccessWindow| team.is_some_and(|team| window.teams.iter().any(|own| own == team));
    (!is_theirs(first.0) && !all.any(|(window, _)| is_theirs(window))).then_some(first)
}

impl Filter for Reserved {
    fn apply(&self, field: &mut Field<'_>, view: &View<'_>) {
        field.skip(|deployment| {
            let (_, end) = reservation(deployment, view.ask.team.as_deref(), view.now)?;
            Some(Reason::Reserved {
                millis: view
                    .now
                    .until(end)
                    .as_millis()
                    .try_into()
                    .unwrap_or(u64::MAX),
            })
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, end: &str, zone: &str) -> Result<AccessWindow, SettingsError> {
        AccessWindow::parse(start, end, zone, vec!["night".into()])
    }

    fn at(time: &str) -> Moment {
        let time: Timestamp = time.parse().expect("a time");
        Moment::from_millis(time.as_millisecond().try_into().expect("after 1970"))
    }

    #[test]
    fn windows_follow_the_clocks_of_their_zone() {
        let night = window("22:00", "06:00", "America/New_York").expect("a window");
        for (now, end) in [
            ("2026-03-10T01:59:00Z", None),
            ("2026-03-10T02:00:00Z", Some("2026-03-10T10:00:00Z")),
            ("2026-03-10T09:59:59Z", Some("2026-03-10T10:00:00Z")),
            ("2026-03-10T10:00:00Z", None),
            // In winter the same hours come an hour later.
            ("2026-01-10T02:30:00Z", None),
            ("2026-01-10T10:30:00Z", Some("2026-01-10T11:00:00Z")),
        ] {
            assert_eq!(night.ends(at(now)), end.map(at), "{now}");
        }
        let day = window("09:00", "17:30", "UTC").expect("a window");
        assert_eq!(day.ends(at("2026-03-10T08:59:59Z")), None);
        let end = Some(at("2026-03-10T17:30:00Z"));
        assert_eq!(day.ends(at("2026-03-10T09:00:00Z")), end);
        assert_eq!(day.ends(at("2026-03-10T17:30:00Z")), None);
        assert_eq!(night.to_string(), "06:00 America/New_York");
    }

    #[test]
    fn windows_that_cannot_be_are_refused() {
        let message = |window: Result<AccessWindow, SettingsError>| window.expect_err("unsound").0;
        assert!(message(window("25:00", "06:00", "UTC")).starts_with("'start'"));
        assert!(message(window("22:00", "6 am", "UTC")).starts_with("'end'"));
        assert!(message(window("22:00", "22:00", "UTC")).starts_with("'end'"));
        assert!(message(window("22:00", "06:00", "Mars/Olympus")).contains("Mars/Olympus"));
        let nobody = AccessWindow::parse("22:00", "06:00", "UTC", Vec::new());
        assert!(message(nobody).starts_with("'team_ids'"));
    }
}
