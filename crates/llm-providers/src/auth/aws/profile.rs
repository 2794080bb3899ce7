//! `~/.aws/credentials` and `~/.aws/config`.

use std::collections::BTreeMap;

use crate::resolve::Surroundings;

/// The profiles of both files; the credentials file wins.
#[derive(Debug, Default)]
pub(super) struct Profiles(BTreeMap<String, BTreeMap<String, String>>);

impl Profiles {
    /// Reads both files, where they are there.
    pub(super) fn read(around: &dyn Surroundings) -> Self {
        let home = around.var("HOME").or_else(|| around.var("USERPROFILE"));
        let file = |name: &str, default: &str| {
            let path = around
                .var(name)
                .or_else(|| Some(format!("{}/.aws/{default}", home.as_deref()?)))?;
            around.file(&path)
        };
        let mut profiles = Self::default();
        for text in [
            file("AWS_CONFIG_FILE", "config"),
            file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ]
        .into_iter()
        .flatten()
        {
            profiles.add(&text);
        }
        profiles
    }

    pub(super) fn get(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        self.0.get(name)
    }

    /// Whether a profile is more than a region.
    pub(super) fn has_credentials(&self, name: &str) -> bool {
        let has = |key: &str| {
            self.get(name)
                .is_some_and(|profile| profile.contains_key(key))
        };
        has("aws_access_key_id")
            || has("role_arn")
            || has("credential_process")
            || has("sso_session")
    }

    fn add(&mut self, text: &str) {
        let mut current: Option<&mut BTreeMap<String, String>> = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(header) = trimmed.strip_prefix('[') {
                let header = header.split(']').next().unwrap_or_default().trim();
                let name = header.strip_prefix("profile ").unwrap_or(header).trim();
                // `[sso-session x]` and `[services x]` are no profiles.
                let is_profile = !name.contains(' ') && !name.is_empty();
                current = is_profile.then(|| self.0.entry(name.to_owned()).or_default());
                continue;
            }
            // An indented line belongs to a nested setting (`s3 =`), which says nothing of credentials.
            let nested = line.starts_with([' ', '\t']);
            if let (Some(profile), Some((key, value))) = (&mut current, trimmed.split_once('='))
                && !nested
            {
                let value = value.split(" #").next().unwrap_or(value).trim();
                profile.insert(key.trim().to_ascii_lowercase(), value.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_as_people_write_them() {
        let mut profiles = Profiles::default();
        profiles.add("# c\n[profile a b]\nx=1\n[ profile  dev ]\nRegion = eu-west-1 # near\ns3 =\n  region = no\n[sso-session s]\nsso_region=x\n");
        profiles.add("[dev]\naws_access_key_id=AK=\n");
        let dev = profiles.get("dev").expect("a profile");
        assert_eq!(dev["region"], "eu-west-1");
        assert_eq!(dev["aws_access_key_id"], "AK=");
        assert!(profiles.has_credentials("dev"));
        assert!(profiles.get("s").is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text: String) {
            Profiles::default().add(&text);
        }
    }
}
