//! Rows as requests need them: with their terms worked out.

use llm_ledger::Calendar;
use llm_store::{
    Account, Record, Scope,
    rows::{
        AccessGroup, Budget, Credential, Customer, Key, KeyMapping, Model, Organization,
        OrganizationMember, Project, Tag, Team, TeamMember, User,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use crate::terms::{Own, Terms};

/// A row and what it bounds.
#[derive(Debug, Clone)]
pub struct Entry<R> {
    /// The row.
    pub row: R,
    /// Its bounds.
    pub terms: Terms,
}

/// A row that says what somebody may spend and ask for.
pub trait Governed: Record + Clone + Serialize + DeserializeOwned {
    /// The parts of its key.
    fn key(&self) -> Vec<String>;

    /// The account that its spending is counted under.
    fn account(&self) -> Account;

    /// What it says of its own bounds.
    fn own(&self) -> Own<'_>;

    /// The shared budget that it names.
    fn budget_id(&self) -> Option<&str> {
        None
    }

    /// Takes over what its JSON does not show.
    fn keep_hidden(&mut self, _before: &Self) {}
}

impl<R: Governed> Entry<R> {
    /// The row with its terms.
    pub fn new(row: R, budget: Option<&Budget>, calendar: &Calendar) -> Self {
        let terms = Terms::of(&row.account(), &row.own(), budget, calendar);
        Self { row, terms }
    }
}

impl Governed for Key {
    fn key(&self) -> Vec<String> {
        vec![self.token.clone()]
    }

    fn account(&self) -> Account {
        Key::account(self)
    }

    fn own(&self) -> Own<'_> {
        Own {
            max_budget: self.max_budget,
            soft_budget: self.soft_budget,
            budget_duration: self.budget_duration.as_deref(),
            budget_limits: self.budget_limits.as_ref(),
            model_max_budget: Some(&self.model_max_budget),
            rpm: self.rpm_limit,
            tpm: self.tpm_limit,
            tpd: self.tpd_limit,
            parallel: self.max_parallel_requests,
            ..Own::default()
        }
        .with_metadata(&self.metadata)
    }

    fn budget_id(&self) -> Option<&str> {
        self.budget_id.as_deref()
    }

    fn keep_hidden(&mut self, before: &Self) {
        self.account_id.clone_from(&before.account_id);
    }
}

impl Governed for User {
    fn key(&self) -> Vec<String> {
        vec![self.user_id.clone()]
    }

    fn account(&self) -> Account {
        Account::of(Scope::User, &self.user_id)
    }

    fn own(&self) -> Own<'_> {
        Own {
            max_budget: self.max_budget,
            budget_duration: self.budget_duration.as_deref(),
            model_max_budget: Some(&self.model_max_budget),
            rpm: self.rpm_limit,
            tpm: self.tpm_limit,
            parallel: self.max_parallel_requests,
            ..Own::default()
        }
        .with_metadata(&self.metadata)
    }

    fn keep_hidden(&mut self, before: &Self) {
        self.password.clone_from(&before.password);
    }
}

impl Governed for Team {
    fn key(&self) -> Vec<String> {
        vec![self.team_id.clone()]
    }

    fn account(&self) -> Account {
        Account::of(Scope::Team, &self.team_id)
    }

    fn own(&self) -> Own<'_> {
        Own {
            max_budget: self.max_budget,
            soft_budget: self.soft_budget,
            budget_duration: self.budget_duration.as_deref(),
            budget_limits: self.budget_limits.as_ref(),
            model_max_budget: Some(&self.model_max_budget),
            rpm: self.rpm_limit,
            tpm: self.tpm_limit,
            tpd: self.tpd_limit,
            parallel: self.max_parallel_requests,
            ..Own::default()
        }
        .with_metadata(&self.metadata)
    }
}

impl Governed for TeamMember {
    fn key(&self) -> Vec<String> {
        vec![self.team_id.clone(), self.user_id.clone()]
    }

    fn account(&self) -> Account {
        Account::member(&self.team_id, &self.user_id)
    }

    fn own(&self) -> Own<'_> {
        Own {
            increase: self.temp_budget_increase.zip(self.temp_budget_expiry),
            ..Own::default()
        }
    }

    fn budget_id(&self) -> Option<&str> {
        self.budget_id.as_deref()
    }
}

/// Rows whose budget is in a row of its own.
macro_rules! budgeted {
    ($($row:ident by $id:ident in $scope:ident;)*) => {$(
        impl Governed for $row {
            fn key(&self) -> Vec<String> {
                vec![self.$id.clone()]
            }

            fn account(&self) -> Account {
                Account::of(Scope::$scope, &self.$id)
            }

            fn own(&self) -> Own<'_> {
                Own::default()
            }

            fn budget_id(&self) -> Option<&str> {
                self.budget_id.as_deref()
            }
        }
    )*};
}

budgeted! {
    Customer by user_id in Customer;
    Tag by tag_name in Tag;
    AccessGroup by access_group_id in AccessGroup;
}

impl Governed for Organization {
    fn key(&self) -> Vec<String> {
        vec![self.organization_id.clone()]
    }

    fn account(&self) -> Account {
        Account::of(Scope::Organization, &self.organization_id)
    }

    fn own(&self) -> Own<'_> {
        Own::default().with_metadata(&self.metadata)
    }

    fn budget_id(&self) -> Option<&str> {
        self.budget_id.as_deref()
    }
}

impl Governed for OrganizationMember {
    fn key(&self) -> Vec<String> {
        vec![self.organization_id.clone(), self.user_id.clone()]
    }

    fn account(&self) -> Account {
        // Nothing is charged to it: organizations are charged as wholes.
        Account::member(&self.organization_id, &self.user_id)
    }

    fn own(&self) -> Own<'_> {
        Own::default()
    }

    fn budget_id(&self) -> Option<&str> {
        self.budget_id.as_deref()
    }
}

impl Governed for Project {
    fn key(&self) -> Vec<String> {
        vec![self.project_id.clone()]
    }

    fn account(&self) -> Account {
        Account::of(Scope::Project, &self.project_id)
    }

    fn own(&self) -> Own<'_> {
        Own {
            model_rpm: Some(&self.model_rpm_limit),
            model_tpm: Some(&self.model_tpm_limit),
            ..Own::default()
        }
        .with_metadata(&self.metadata)
    }

    fn budget_id(&self) -> Option<&str> {
        self.budget_id.as_deref()
    }
}

impl Governed for Budget {
    fn key(&self) -> Vec<String> {
        vec![self.budget_id.clone()]
    }

    fn account(&self) -> Account {
        // Nothing is charged to it: it bounds those who name it.
        Account::of(Scope::Global, &self.budget_id)
    }

    fn own(&self) -> Own<'_> {
        Own::default()
    }
}

impl Governed for KeyMapping {
    fn key(&self) -> Vec<String> {
        vec![
            self.jwt_claim_name.clone(),
            self.jwt_claim_value.clone(),
            self.jwt_issuer.clone(),
        ]
    }

    fn account(&self) -> Account {
        // Nothing is charged to it: the key is.
        Account::of(Scope::Key, &self.token)
    }

    fn own(&self) -> Own<'_> {
        Own::default()
    }

    fn keep_hidden(&mut self, before: &Self) {
        self.token.clone_from(&before.token);
    }
}

/// Rows that have a secret and spend nothing.
macro_rules! secretive {
    ($($row:ident by $id:ident hides $secret:ident;)*) => {$(
        impl Governed for $row {
            fn key(&self) -> Vec<String> {
                vec![self.$id.clone()]
            }

            fn account(&self) -> Account {
                Account::of(Scope::Global, &self.$id)
            }

            fn own(&self) -> Own<'_> {
                Own::default()
            }

            fn keep_hidden(&mut self, before: &Self) {
                self.$secret.clone_from(&before.$secret);
            }
        }
    )*};
}

secretive! {
    Credential by credential_id hides credential_values;
    Model by model_id hides litellm_params;
}
