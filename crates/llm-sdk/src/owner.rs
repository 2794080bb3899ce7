//! Whose things are that are kept here: files, batches, responses.

/// Under whose name a request keeps things, and whose it may see. A program's own has no name: it sees everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// The name that is noted on what it keeps.
    pub name: Option<String>,
    /// It sees what others keep, too.
    pub sees_all: bool,
}

impl Owner {
    /// Whether it may see what is under `name`. What has no name is everybody's.
    pub(crate) fn sees(&self, name: Option<&str>) -> bool {
        let only = self.only();
        only.is_none() || name.is_none() || only == name
    }

    /// The only name that it sees things under, besides none; `None`: any.
    pub(crate) fn only(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| !self.sees_all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_sees_its_own_and_what_is_nobodys() {
        let ada = Owner {
            name: Some("ada".into()),
            sees_all: false,
        };
        let admin = Owner {
            sees_all: true,
            ..ada.clone()
        };
        for (name, ada_may) in [(None, true), (Some("ada"), true), (Some("bob"), false)] {
            assert_eq!(ada.sees(name), ada_may, "{name:?}");
            assert!(admin.sees(name) && Owner::default().sees(name), "{name:?}");
        }
    }
}
