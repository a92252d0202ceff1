//! Slack as far as the fake goes: whether there is a workspace, and who is in it. Nothing is ever sent to Slack.

use super::router::Route;
use super::users::{User, Users};

/// The workspace that a bot token opens. Without one, Slack isn't configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slack {
    pub(crate) is_configured: bool,
}

impl Slack {
    /// What a message would be posted to: a channel or a user as Slack names them. `None` if nobody there has that name.
    /// A real server asks Slack for its members; here they are the users of the directory who have a Slack id.
    pub(crate) fn destination(&self, users: &Users, target: &str) -> Option<String> {
        if target.is_empty() {
            return None;
        }
        let name = target.strip_prefix('@').unwrap_or(target);
        if target.starts_with('#') || is_id(name, &['C', 'G', 'U', 'W']) {
            return Some(name.to_owned());
        }
        let known = |user: &&User| {
            let is = |text: &Option<String>| text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(name));
            user.slack_user_id.is_some() && (is(&user.email) || is(&user.display_name))
        };
        users.oldest_first().find(known)?.slack_user_id.clone()
    }

    /// The user that a route means, if it means one person and not a channel.
    pub(crate) fn person<'a>(&self, users: &'a Users, route: &Route) -> Option<&'a User> {
        if !self.is_configured || route.target.starts_with('#') {
            return None;
        }
        let destination = self.destination(users, &route.target)?;
        users.oldest_first().find(|user| {
            let team_fits = route.identity.is_none() || route.identity == user.slack_team_id;
            user.slack_user_id.as_ref() == Some(&destination) && team_fits
        })
    }
}

/// Whether a text is an id of one of Slack's kinds.
fn is_id(text: &str, kinds: &[char]) -> bool {
    let rest = text.strip_prefix(kinds);
    rest.is_some_and(|rest| {
        rest.len() >= 5
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::human::users::Details;

    #[test]
    fn people_are_found_by_handle_address_and_id() {
        let mut users = Users::default();
        let details = Details {
            email: Some("al@x.y".to_owned()),
            display_name: Some("Alice".to_owned()),
            slack_team_id: Some("T1".to_owned()),
            slack_user_id: Some("U12345".to_owned()),
            ..Details::default()
        };
        users.add(Timestamp::EPOCH_OF_TESTS, "a".to_owned(), details).unwrap();
        let person = |slack: bool, entry: &str| {
            let slack = Slack { is_configured: slack };
            slack
                .person(&users, &Route::parse(entry).unwrap())
                .map(|user| user.id.clone())
        };
        for entry in ["slack:@alice", "slack:al@x.y", "slack:@U12345", "slack+T1:U12345"] {
            assert_eq!(person(true, entry).as_deref(), Some("a"), "{entry}");
            assert_eq!(person(false, entry), None, "{entry}");
        }
        for entry in ["slack:#alice", "slack:@bob", "slack+T2:@alice", "slack:C12345"] {
            assert_eq!(person(true, entry), None, "{entry}");
        }
    }
}
