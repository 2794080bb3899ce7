//! What a row says of its accounts.

use serde::Serialize;

use super::{Charge, Charged};
use crate::{Lent, Record, Scope, rows::SpendRow};

/// The accounts of rows, one after the other: mostly they are those of the row before.
#[derive(Default)]
pub(super) struct Accounts<'a> {
    last: Option<(&'a Charged, String)>,
}

/// An account in a row. One whose id is in the row already has none of its own.
#[derive(Serialize)]
struct Written<'a> {
    scope: Scope,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    meter: &'a str,
}

impl<'a> Accounts<'a> {
    /// The values of a row, with its accounts.
    pub(super) fn values(&mut self, charged: &'a Charged) -> Vec<Lent<'a>> {
        let mut values = charged.row.lend();
        let place = SpendRow::COLUMNS.iter().position(|it| *it == "accounts");
        if charged.row.accounts.is_empty()
            && let Some(value) = place.and_then(|place| values.get_mut(place))
        {
            *value = Lent::Text(self.text(charged).to_owned().into());
        }
        values
    }

    fn text(&mut self, charged: &'a Charged) -> &str {
        let last = self
            .last
            .take()
            .filter(|(last, _)| are_alike(last, charged));
        let (_, text) = self
            .last
            .insert(last.unwrap_or_else(|| (charged, text_of(charged))));
        text
    }
}

fn text_of(charged: &Charged) -> String {
    let accounts = charged.charges.iter().map(|charge| {
        let account = &charge.account;
        let own = charged.row.own_id(account.scope);
        Written {
            scope: account.scope,
            id: match own == Some(&account.id) {
                true => "",
                false => &account.id,
            },
            meter: &account.meter,
        }
    });
    // A list of texts always has a JSON form.
    serde_json::to_string(&accounts.collect::<Vec<_>>()).unwrap_or_default()
}

/// Whether both say the same of their accounts.
fn are_alike(one: &Charged, other: &Charged) -> bool {
    let is_alike = |(a, b): (&Charge, &Charge)| {
        let scope = a.account.scope;
        a.account == b.account && one.row.own_id(scope) == other.row.own_id(scope)
    };
    one.charges.len() == other.charges.len() && one.charges.iter().zip(&other.charges).all(is_alike)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Account;

    fn charged(key: &str, accounts: &[Account]) -> Charged {
        let charge = |account: &Account| Charge {
            account: account.clone(),
            until: None,
        };
        let mut charged = Charged {
            charges: accounts.iter().map(charge).collect(),
            ..Charged::default()
        };
        charged.row.api_key = key.to_owned();
        charged
    }

    #[test]
    fn each_row_says_its_own_accounts_whatever_the_row_before_said() {
        let own = Account::of(Scope::Key, "k");
        let metered = own.clone().metered("gpt-4o@1d");
        let member = Account::member("t", "u");
        let all = Account::of(Scope::Global, "");
        let rows = [
            charged("k", &[own.clone(), metered.clone(), all.clone()]),
            charged("k", &[own.clone(), metered.clone(), all.clone()]),
            charged("other", &[own.clone(), metered, all.clone()]),
            charged("k", &[own.clone(), member]),
            charged("k", &[own, all]),
            charged("k", &[]),
        ];
        let mut accounts = Accounts::default();
        for row in &rows {
            let values = accounts.values(row);
            let Some(Lent::Text(text)) = values.last() else {
                panic!("{values:?}");
            };
            let read = SpendRow {
                accounts: serde_json::from_str(text).unwrap(),
                ..row.row.clone()
            };
            let expected: Vec<_> = row.charges.iter().map(|one| &one.account).collect();
            let read = read.whole();
            assert_eq!(read.accounts.iter().collect::<Vec<_>>(), expected);
        }
    }
}
