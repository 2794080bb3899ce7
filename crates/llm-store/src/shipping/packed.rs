//! Charges as journals have them: every request writes one, so they are a row of cells without names.

use crate::{Account, Cell, Charge, Charged, Lent, Moment, Record, Scope, rows::SpendRow};

/// The format. A journal that has another is not taken apart.
const VERSION: u8 = 1;

const UNDER_WAY: u8 = 1;
const ALONE: u8 = 2;
const HELD: u8 = 4;
const RENEWS: u8 = 8;

const NOTHING: u8 = 0;
const TEXT: u8 = 1;
const INTEGER: u8 = 2;

/// Why bytes are no charge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unpacked {
    /// Another version wrote it.
    #[error(
        "it was written by another version, of format {0}: let that version bring it to the database"
    )]
    Version(u8),
    /// It is cut, or wrong.
    #[error("{0}")]
    Broken(String),
}

/// What is left of a record.
struct Rest<'a>(&'a [u8]);

impl Charged {
    /// Adds this to `out`.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        out.push(VERSION);
        out.push(
            flag(self.under_way, UNDER_WAY)
                | flag(self.is_alone, ALONE)
                | flag(self.hold.is_some(), HELD)
                | flag(self.renews, RENEWS),
        );
        integer(out, self.at.0);
        if let Some(hold) = &self.hold {
            text(out, hold);
        }
        let cells = self.row.lend();
        number(out, cells.len() as u64);
        for cell in &cells {
            match cell {
                Lent::Nothing => out.push(NOTHING),
                Lent::Text(value) => {
                    out.push(TEXT);
                    text(out, value);
                }
                Lent::Integer(value) => {
                    out.push(INTEGER);
                    integer(out, *value);
                }
            }
        }
        number(out, self.charges.len() as u64);
        for Charge { account, until } in &self.charges {
            text(out, account.scope.name());
            text(out, &account.id);
            text(out, &account.meter);
            // Nothing ends at the beginning of time.
            integer(out, until.unwrap_or(i64::MIN));
        }
    }

    /// The charge that [`Charged::pack`] wrote.
    pub fn unpack(bytes: &[u8]) -> Result<Self, Unpacked> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => Rest(rest).charged().map_err(Unpacked::Broken),
            Some((version, _)) => Err(Unpacked::Version(*version)),
            None => Err(Unpacked::Broken("it is empty".to_owned())),
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Seven bits to a byte, the lowest first.
fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn integer(out: &mut Vec<u8>, integer: i64) {
    out.extend_from_slice(&integer.to_le_bytes());
}

impl Rest<'_> {
    fn charged(mut self) -> Result<Charged, String> {
        let flags = self.byte()?;
        let at = Moment(self.integer()?);
        let hold = match flags & HELD {
            0 => None,
            _ => Some(self.text()?),
        };
        let mut cells = Vec::with_capacity(SpendRow::COLUMNS.len());
        for _ in 0..self.number()? {
            cells.push(match self.byte()? {
                NOTHING => Cell::Text(None),
                TEXT => Cell::Text(Some(self.text()?)),
                INTEGER => Cell::Integer(Some(self.integer()?)),
                other => return Err(format!("{other} is no kind of a cell")),
            });
        }
        let row = SpendRow::of_cells(cells)?;
        let mut charges = Vec::new();
        for _ in 0..self.number()? {
            charges.push(self.charge()?);
        }
        match self.0 {
            [] => Ok(Charged {
                row,
                at,
                under_way: flags & UNDER_WAY != 0,
                renews: flags & RENEWS != 0,
                is_alone: flags & ALONE != 0,
                hold,
                charges,
            }),
            more => Err(format!("{} bytes too many", more.len())),
        }
    }

    fn charge(&mut self) -> Result<Charge, String> {
        let scope = self.text()?;
        let known = Scope::ALL.into_iter().find(|known| known.name() == scope);
        let account = Account {
            scope: known.ok_or_else(|| format!("{scope:?} is no scope"))?,
            id: self.text()?,
            meter: self.text()?,
        };
        let until = Some(self.integer()?).filter(|until| *until != i64::MIN);
        Ok(Charge { account, until })
    }

    fn byte(&mut self) -> Result<u8, String> {
        let (byte, rest) = self.0.split_first().ok_or_else(cut)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number is too long".to_owned())
    }

    fn integer(&mut self) -> Result<i64, String> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(cut)?;
        self.0 = rest;
        Ok(i64::from_le_bytes(*bytes))
    }

    fn text(&mut self) -> Result<String, String> {
        let length = usize::try_from(self.number()?).map_err(|_| cut())?;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        let text = str::from_utf8(text).map_err(|error| error.to_string())?;
        Ok(text.to_owned())
    }
}

fn cut() -> String {
    "it is cut".to_owned()
}

#[cfg(test)]
mod tests {
    use llm_cost::NanoDollars;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::Json;

    fn charged(text: &str, number: i64) -> Charged {
        let some = (number % 2 == 0).then(|| text.to_owned());
        let account = Account::of(Scope::Team, text);
        let charge = |until| Charge {
            account: account.clone().metered(some.clone().unwrap_or_default()),
            until,
        };
        let metadata = json!({"a": text, "b": [number, 0.1, null, true, {"c": {}}]});
        Charged {
            row: SpendRow {
                id: text.to_owned(),
                request_id: some.clone(),
                request_tags: vec![text.to_owned()],
                spend: NanoDollars(number),
                usage_value: some.is_some().then(|| Json::of(&metadata).unwrap()),
                start_time: Moment(number),
                completion_start_time: some.is_some().then_some(Moment(number)),
                cache_hit: some.is_some(),
                metadata: metadata.as_object().cloned().unwrap_or_default(),
                accounts: vec![account.clone()],
                ..SpendRow::default()
            },
            at: Moment(number),
            under_way: some.is_none(),
            renews: some.is_none(),
            is_alone: some.is_some(),
            hold: some.clone(),
            charges: vec![charge(None), charge(Some(number))],
        }
    }

    fn packed(charged: &Charged) -> Vec<u8> {
        let mut out = Vec::new();
        charged.pack(&mut out);
        out
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(text in ".{0,200}", number in (i64::MIN + 1)..) {
            let charged = charged(&text, number);
            prop_assert_eq!(Charged::unpack(&packed(&charged)).unwrap(), charged);
        }

        #[test]
        fn what_is_cut_or_longer_is_broken(text in ".{0,20}", number in 0i64.., at in 0usize..1000) {
            let mut bytes = packed(&charged(&text, number));
            let cut = &bytes[..at % bytes.len()];
            prop_assert!(matches!(Charged::unpack(cut), Err(Unpacked::Broken(_))));
            bytes.push(0);
            prop_assert!(matches!(Charged::unpack(&bytes), Err(Unpacked::Broken(_))));
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Charged::unpack(&bytes);
            let _ = Charged::unpack(&[&[VERSION], &*bytes].concat());
        }
    }

    #[test]
    fn a_record_of_another_version_is_not_taken_apart() {
        let mut bytes = packed(&charged("a", 1));
        bytes[0] = VERSION + 1;
        assert_eq!(Charged::unpack(&bytes), Err(Unpacked::Version(VERSION + 1)));
    }

    /// Journals of the version before are read: columns may come behind these, and none may go or move without another
    /// [`VERSION`].
    #[test]
    fn columns_are_where_they_were() {
        let columns = "id request_id call_id session_id call_type error_code error_class status api_key user_id team_id \
            organization_id project_id end_user agent_id request_tags model model_id model_group provider api_base spend \
            price_digest price_gap usage_value total_tokens prompt_tokens completion_tokens cache_read_input_tokens \
            cache_creation_input_tokens start_time end_time completion_start_time cache_hit cache_key \
            requester_ip_address metadata accounts";
        let columns: Vec<&str> = columns.split_whitespace().collect();
        assert!(
            SpendRow::COLUMNS.starts_with(&columns),
            "{:?}",
            SpendRow::COLUMNS
        );
    }

    #[test]
    fn a_row_with_fewer_columns_reads_as_one_without_the_rest() {
        let cells = vec![Cell::Text(Some("1".to_owned()))];
        let row = SpendRow::of_cells(cells).unwrap();
        assert_eq!(
            row,
            SpendRow {
                id: "1".to_owned(),
                ..SpendRow::default()
            }
        );
    }
}
