//! The directory of users: who can be asked, who may log in, whose turn it is.

use serde::{Deserialize, Serialize};

use super::keys::Key;
use super::reject::Reject;
use crate::clock::Timestamp;

/// A person in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct User {
    /// 32 hexadecimal digits.
    pub id: String,
    /// What the dashboard calls them.
    pub display_name: Option<String>,
    /// Their address; case matters.
    pub email: Option<String>,
    /// Their Slack workspace.
    pub slack_team_id: Option<String>,
    /// Who they are in it.
    pub slack_user_id: Option<String>,
    /// A word that `assign_to` may ask for.
    pub role: Option<String>,
    /// A word that `assign_to` may ask for.
    pub access_level: Option<String>,
    /// A word that `assign_to` may ask for.
    pub pool: Option<String>,
    /// Whether they see and manage everything.
    pub is_operator: bool,
    /// Whether they may log in, and are asked by role or pool.
    pub active: bool,
    /// When they were last assigned a task by role or pool.
    pub last_assigned_at: Option<Timestamp>,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
    password: Option<Password>,
    /// Orders those who were assigned at the same moment, which on a real clock doesn't happen.
    turn: u64,
}

/// A password, salted and hashed. The real server takes argon2, whose cost nobody can see in virtual time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    salt: [u8; 16],
    mac: [u8; 32],
}

/// What can be said of a user; `None` leaves a field as it is, or empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    pub(crate) display_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) slack_team_id: Option<String>,
    pub(crate) slack_user_id: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) access_level: Option<String>,
    pub(crate) pool: Option<String>,
    pub(crate) is_operator: Option<bool>,
    pub(crate) active: Option<bool>,
    pub(crate) password: Option<NewPassword>,
}

/// A password to set, with the salt that it'll have.
#[derive(Clone, Debug)]
pub(crate) struct NewPassword {
    pub(crate) text: String,
    pub(crate) salt: [u8; 16],
}

impl Password {
    fn new(new: &NewPassword) -> Self {
        Self {
            salt: new.salt,
            mac: Key::new(&new.salt).mac(new.text.as_bytes()),
        }
    }

    fn is(&self, text: &str) -> bool {
        Key::new(&self.salt).mac(text.as_bytes()) == self.mac
    }
}

impl User {
    /// Whether a password is set: without one nobody logs in.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    pub(crate) fn has_this_password(&self, text: &str) -> bool {
        self.password.as_ref().is_some_and(|password| password.is(text))
    }

    /// What others call them: the name, else the address, else the Slack id, else the id.
    pub(crate) fn label(&self) -> String {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        said(&self.display_name)
            .or_else(|| said(&self.email))
            .or_else(|| said(&self.slack_user_id).map(|id| format!("@{id}")))
            .unwrap_or_else(|| self.id.clone())
    }

    fn new(id: String, now: Timestamp) -> Self {
        Self {
            id,
            display_name: None,
            email: None,
            slack_team_id: None,
            slack_user_id: None,
            role: None,
            access_level: None,
            pool: None,
            is_operator: false,
            active: true,
            last_assigned_at: None,
            created_at: now,
            updated_at: now,
            password: None,
            turn: 0,
        }
    }

    fn change(&mut self, details: Details) {
        let fields = [
            (&mut self.display_name, details.display_name),
            (&mut self.email, details.email),
            (&mut self.slack_team_id, details.slack_team_id),
            (&mut self.slack_user_id, details.slack_user_id),
            (&mut self.role, details.role),
            (&mut self.access_level, details.access_level),
            (&mut self.pool, details.pool),
        ];
        for (field, value) in fields {
            if value.is_some() {
                *field = value;
            }
        }
        self.is_operator = details.is_operator.unwrap_or(self.is_operator);
        self.active = details.active.unwrap_or(self.active);
        if let Some(password) = &details.password {
            self.password = Some(Password::new(password));
        }
    }

    /// Somebody must be reachable: by an address, or by both halves of a Slack identity and not by one.
    fn check_address(&self) -> Result<(), Reject> {
        let said = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let (team, slack) = (said(&self.slack_team_id), said(&self.slack_user_id));
        match team == slack && (slack || said(&self.email)) {
            true => Ok(()),
            false => Err(Reject::UserNoAddress),
        }
    }

    fn is_active_operator(&self) -> bool {
        self.is_operator && self.active
    }
}

/// All users, oldest first. There are few of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Users {
    rows: Vec<User>,
    turns: u64,
}

impl Users {
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &User> {
        self.rows.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&User> {
        self.rows.iter().find(|user| user.id == id)
    }

    pub(crate) fn by_email(&self, email: &str) -> Option<&User> {
        self.rows.iter().find(|user| user.email.as_deref() == Some(email))
    }

    /// Adds a user.
    pub(crate) fn add(&mut self, now: Timestamp, id: String, details: Details) -> Result<&User, Reject> {
        let mut user = User::new(id, now);
        user.change(details);
        user.check_address()?;
        self.check_unique(&user)?;
        self.rows.push(user);
        let place = self.rows.len() - 1;
        Ok(&self.rows[place])
    }

    /// The user with this address, who exists from the first time on that somebody of that address acts.
    pub(crate) fn ensure(
        &mut self,
        now: Timestamp,
        email: &str,
        is_operator: bool,
        new_id: impl FnOnce() -> String,
    ) -> String {
        if let Some(user) = self.by_email(email) {
            return user.id.clone();
        }
        let mut user = User::new(new_id(), now);
        user.email = Some(email.to_owned());
        user.is_operator = is_operator;
        let id = user.id.clone();
        self.rows.push(user);
        id
    }

    /// Changes a user; nobody may take the last active operator away.
    pub(crate) fn change(&mut self, now: Timestamp, id: &str, details: Details) -> Result<&User, Reject> {
        let place = self.place(id)?;
        if self.rows[place].is_active_operator() {
            let action = match (details.is_operator, details.active) {
                (Some(false), _) => Some("demote"),
                (_, Some(false)) => Some("deactivate"),
                _ => None,
            };
            action.map_or(Ok(()), |action| self.keep_an_operator(action))?;
        }
        let mut user = self.rows[place].clone();
        user.change(details);
        user.check_address()?;
        self.check_unique(&user)?;
        user.updated_at = now;
        self.rows[place] = user;
        Ok(&self.rows[place])
    }

    /// Takes a user's password away.
    pub(crate) fn clear_password(&mut self, now: Timestamp, id: &str) -> Result<&User, Reject> {
        let place = self.place(id)?;
        self.rows[place].password = None;
        self.change(now, id, Details::default())
    }

    /// Removes a user for good. What they did keeps their id.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Reject> {
        let place = self.place(id)?;
        if self.rows[place].is_active_operator() {
            self.keep_an_operator("delete")?;
        }
        self.rows.remove(place);
        Ok(())
    }

    /// Of the active users who fit, the one whose last turn is the longest ago; those who never had one come first. It's
    /// their turn now.
    pub(crate) fn take_turn(&mut self, now: Timestamp, fits: impl Fn(&User) -> bool) -> Option<&User> {
        let waiting = self.rows.iter_mut().filter(|user| user.active && fits(user));
        let user = waiting.min_by_key(|user| (user.last_assigned_at, user.turn, user.created_at))?;
        self.turns = self.turns.saturating_add(1);
        user.last_assigned_at = Some(now);
        user.turn = self.turns;
        Some(user)
    }

    fn place(&self, id: &str) -> Result<usize, Reject> {
        let place = self.rows.iter().position(|user| user.id == id);
        place.ok_or_else(|| Reject::UserNotFound { id: id.to_owned() })
    }

    fn keep_an_operator(&self, action: &'static str) -> Result<(), Reject> {
        match self.rows.iter().filter(|user| user.is_active_operator()).count() {
            0 | 1 => Err(Reject::LastOperator { action }),
            _ => Ok(()),
        }
    }

    /// An address is one user's, and so is a Slack identity. Of both conflicts the real database names the Slack one (measured).
    fn check_unique(&self, user: &User) -> Result<(), Reject> {
        let mut others = self.rows.iter().filter(|other| other.id != user.id);
        let same = |mine: &Option<String>, theirs: &Option<String>| mine.is_some() && mine == theirs;
        let slack = |other: &&User| {
            same(&user.slack_user_id, &other.slack_user_id) && same(&user.slack_team_id, &other.slack_team_id)
        };
        if others.clone().any(|other| slack(&other)) {
            return Err(Reject::UserAlreadyExists {
                conflict: "slack identity",
            });
        }
        match others.any(|other| same(&user.email, &other.email)) {
            true => Err(Reject::UserAlreadyExists { conflict: "email" }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH_OF_TESTS;

    fn details(email: &str) -> Details {
        Details {
            email: Some(email.to_owned()),
            ..Details::default()
        }
    }

    fn directory() -> Users {
        let mut users = Users::default();
        for name in ["a", "b", "c"] {
            users.add(NOW, name.to_owned(), details(name)).unwrap();
        }
        users
    }

    #[test]
    fn turns_go_round_also_while_time_stands_still() {
        let mut users = directory();
        let mut turn = || users.take_turn(NOW, |user| user.id != "b").unwrap().id.clone();
        assert_eq!([turn(), turn(), turn(), turn()], ["a", "c", "a", "c"]);
        users.add(NOW, "d".to_owned(), details("d")).unwrap();
        let later = NOW + Duration::from_secs(1);
        assert_eq!(
            users.take_turn(later, |_| true).unwrap().id,
            "b",
            "never had one, and is older than d"
        );
        assert!(users.take_turn(later, |user| user.id == "nobody").is_none());
    }

    #[test]
    fn who_is_off_duty_is_passed_over() {
        let mut users = directory();
        let off = Details {
            active: Some(false),
            ..Details::default()
        };
        users.change(NOW, "a", off).unwrap();
        assert_eq!(users.take_turn(NOW, |_| true).unwrap().id, "b");
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let mut users = directory();
        let before = users.get("a").unwrap().clone();
        let half = Details {
            slack_team_id: Some("T1".to_owned()),
            role: Some("approver".to_owned()),
            ..Details::default()
        };
        assert_eq!(users.change(NOW, "a", half).unwrap_err(), Reject::UserNoAddress);
        let taken = Reject::UserAlreadyExists { conflict: "email" };
        assert_eq!(users.change(NOW, "a", details("b")).unwrap_err(), taken);
        assert_eq!(users.get("a"), Some(&before));
    }

    #[test]
    fn one_operator_must_remain() {
        let mut users = directory();
        let operator = |is_operator| Details {
            is_operator: Some(is_operator),
            ..Details::default()
        };
        users.change(NOW, "a", operator(true)).unwrap();
        let last = |action| Err(Reject::LastOperator { action });
        assert_eq!(users.change(NOW, "a", operator(false)).map(drop), last("demote"));
        assert_eq!(users.remove("a"), last("delete"));
        users.change(NOW, "b", operator(true)).unwrap();
        assert_eq!(users.remove("a"), Ok(()));
        assert_eq!(users.remove("a"), Err(Reject::UserNotFound { id: "a".to_owned() }));
    }

    #[test]
    fn passwords_are_kept_as_hashes() {
        let mut users = directory();
        let set = Details {
            password: Some(NewPassword {
                text: "password1".to_owned(),
                salt: [7; 16],
            }),
            ..Details::default()
        };
        let user = users.change(NOW, "a", set).unwrap();
        assert!(user.has_this_password("password1") && !user.has_this_password("password2"));
        assert!(!format!("{user:?}").contains("password1"));
        assert!(!users.clear_password(NOW, "a").unwrap().has_this_password("password1"));
    }
}
