//! Whom a task goes to: `assign_to` in all its forms, else the one person that `notify` names.

use awaithumans_temporal::wire::json::Json;

use super::reject::Reject;
use super::slack::Slack;
use super::users::{User, Users};
use crate::clock::Timestamp;

/// A place to tell: one entry of `notify`, `channel[+identity]:target`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// `email`, `slack`; others are stored and ignored.
    pub(crate) channel: String,
    /// Which sender, or which workspace.
    pub(crate) identity: Option<String>,
    pub(crate) target: String,
}

impl Route {
    /// Reads an entry; what doesn't have the form is skipped by all who read it.
    pub(crate) fn parse(entry: &str) -> Option<Self> {
        let (prefix, target) = entry.split_once(':')?;
        let (channel, identity) = match prefix.split_once('+') {
            Some((channel, identity)) => (channel, Some(identity)),
            None => (prefix, None),
        };
        if channel.is_empty() || identity == Some("") || target.is_empty() {
            return None;
        }
        Some(Self {
            channel: channel.trim().to_owned(),
            identity: identity.map(|identity| identity.trim().to_owned()),
            target: target.trim().to_owned(),
        })
    }

    /// The entries for one channel, in order.
    pub(crate) fn of_channel(notify: Option<&[String]>, channel: &str) -> Vec<Self> {
        let routes = notify.unwrap_or_default().iter().filter_map(|entry| Self::parse(entry));
        routes.filter(|route| route.channel == channel).collect()
    }
}

/// Whom a new task goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assignee {
    pub(crate) user_id: Option<String>,
    pub(crate) email: Option<String>,
}

impl Assignee {
    fn of(user: &User) -> Self {
        Self {
            user_id: Some(user.id.clone()),
            email: user.email.clone(),
        }
    }

    fn nobody(&self) -> bool {
        self.user_id.is_none() && self.email.is_none()
    }
}

/// Decides whom a new task goes to. Source: `services/task_router.py`.
pub(crate) fn assign(
    users: &mut Users,
    slack: &Slack,
    now: Timestamp,
    assign_to: &Json,
    notify: Option<&[String]>,
) -> Result<Assignee, Reject> {
    let explicit = explicit(users, now, assign_to)?;
    Ok(match explicit.nobody() {
        true => implied(users, slack, notify),
        false => explicit,
    })
}

/// `email` wins; `marketplace` takes nobody; `role`, `access_level` and `pool` together pick who was not asked for longest. All
/// else is stored and ignored (recorded).
fn explicit(users: &mut Users, now: Timestamp, assign_to: &Json) -> Result<Assignee, Reject> {
    let asked = |key: &str| assign_to.get(key).unwrap_or(&Json::Null);
    if let Some(email) = truthy(asked("email"))
        .then(|| column_text(asked("email")))
        .transpose()?
    {
        return Ok(users.by_email(&email).map_or(
            Assignee {
                user_id: None,
                email: Some(email),
            },
            Assignee::of,
        ));
    }
    if assign_to.get("marketplace").is_some() || !["role", "access_level", "pool"].iter().any(|key| truthy(asked(key)))
    {
        return Ok(Assignee::default());
    }
    let wanted = |key: &str| match asked(key) {
        Json::Null => Ok(None),
        value => column_text(value).map(Some),
    };
    let (role, access_level, pool) = (wanted("role")?, wanted("access_level")?, wanted("pool")?);
    let fits = |user: &User| {
        let fits = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        fits(&role, &user.role) && fits(&access_level, &user.access_level) && fits(&pool, &user.pool)
    };
    Ok(users.take_turn(now, fits).map(Assignee::of).unwrap_or_default())
}

/// The one person whom `notify` names, if it names one.
fn implied(users: &Users, slack: &Slack, notify: Option<&[String]>) -> Assignee {
    let route = match notify {
        Some([only]) => Route::parse(only),
        _ => None,
    };
    match route {
        Some(route) if route.channel == "email" => {
            let user = users.by_email(&route.target.to_lowercase()).filter(|user| user.active);
            user.map_or(
                Assignee {
                    user_id: None,
                    email: Some(route.target),
                },
                Assignee::of,
            )
        }
        Some(route) if route.channel == "slack" => {
            let user = slack.person(users, &route).filter(|user| user.active);
            user.map(Assignee::of).unwrap_or_default()
        }
        _ => Assignee::default(),
    }
}

/// What Python takes for true.
pub(crate) fn truthy(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(value) => *value,
        Json::Int(number) => number.as_i64() != Some(0),
        Json::Float(number) => *number != 0.0,
        Json::String(text) => text.as_str() != Some(""),
        Json::Array(values) => !values.is_empty(),
        Json::Object(object) => !object.is_empty(),
    }
}

/// The text that a column of the database makes of a value: numbers become digits; it can hold neither lists nor objects, nor
/// integers beyond 64 bits, nor lone surrogates (recorded: the real server answers 500).
fn column_text(value: &Json) -> Result<String, Reject> {
    match value {
        Json::String(text) => text.as_str().map(str::to_owned).ok_or(Reject::Internal),
        Json::Bool(value) => Ok(u8::from(*value).to_string()),
        Json::Int(number) => number.as_i64().map(|number| number.to_string()).ok_or(Reject::Internal),
        Json::Float(_) => Ok(value.to_compact()),
        Json::Null | Json::Array(_) | Json::Object(_) => Err(Reject::Internal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::human::users::Details;

    const NOW: Timestamp = Timestamp::EPOCH_OF_TESTS;

    fn directory() -> Users {
        let mut users = Users::default();
        for (id, role, pool) in [("pat", "approver", "finance"), ("rev", "reviewer", "ops")] {
            let details = Details {
                email: Some(format!("{id}@x.y")),
                role: Some(role.to_owned()),
                pool: Some(pool.to_owned()),
                ..Details::default()
            };
            users.add(NOW, id.to_owned(), details).unwrap();
        }
        users
    }

    fn assigned(assign_to: &str, notify: &[&str]) -> Result<(Option<String>, Option<String>), u16> {
        let assign_to = Json::parse(assign_to.as_bytes()).unwrap();
        let notify: Vec<String> = notify.iter().map(|entry| (*entry).to_owned()).collect();
        let found = assign(&mut directory(), &Slack::default(), NOW, &assign_to, Some(&notify));
        found
            .map(|found| (found.user_id, found.email))
            .map_err(|reject| reject.status())
    }

    #[test]
    fn every_form_of_assign_to() {
        let user = |id: &str| Ok((Some(id.to_owned()), Some(format!("{id}@x.y"))));
        let address = |email: &str| Ok((None, Some(email.to_owned())));
        for (form, expected) in [
            (r#"{"email":"pat@x.y"}"#, user("pat")),
            (r#"{"email":"PAT@x.y"}"#, address("PAT@x.y")),
            (r#"{"email":"new@x.y","pool":"finance"}"#, address("new@x.y")),
            (r#"{"email":5}"#, address("5")),
            (r#"{"email":true}"#, address("1")),
            (r#"{"email":["a"]}"#, Err(500)),
            (r#"{"email":"","role":"approver"}"#, user("pat")),
            (r#"{"pool":"ops"}"#, user("rev")),
            (r#"{"role":"approver","access_level":null}"#, user("pat")),
            (r#"{"role":"approver","access_level":"l9"}"#, Ok((None, None))),
            (r#"{"role":"approver","pool":"ops"}"#, Ok((None, None))),
            (r#"{"role":"","pool":"ops"}"#, Ok((None, None))),
            (r#"{"role":["approver"]}"#, Err(500)),
            (r#"{"marketplace":false,"role":"approver"}"#, Ok((None, None))),
            (r#"{"user_id":"pat"}"#, Ok((None, None))),
            ("{}", Ok((None, None))),
            ("null", Ok((None, None))),
        ] {
            assert_eq!(assigned(form, &[]), expected, "{form}");
        }
    }

    #[test]
    fn notify_names_somebody_only_alone_and_by_email() {
        let address = |email: &str| Ok((None, Some(email.to_owned())));
        assert_eq!(
            assigned("null", &["email+smoke:PAT@x.y"]).unwrap().0.as_deref(),
            Some("pat")
        );
        assert_eq!(assigned("null", &["email:Who@x.y"]), address("Who@x.y"));
        assert_eq!(assigned("null", &["email: "]), address(""));
        for nobody in [
            &["email:a@x.y", "email:b@x.y"][..],
            &["slack:@pat"],
            &["pager:x"],
            &["pat@x.y"],
            &["email:"],
            &[""],
        ] {
            assert_eq!(assigned("null", nobody), Ok((None, None)), "{nobody:?}");
        }
        assert_eq!(
            assigned(r#"{"email":"rev@x.y"}"#, &["email:pat@x.y"])
                .unwrap()
                .0
                .as_deref(),
            Some("rev")
        );
    }

    #[test]
    fn routes_are_read_as_awaithumans_reads_them() {
        let route = Route::parse("slack+T1:#a:b+c").unwrap();
        assert_eq!(
            (route.identity.as_deref(), route.target.as_str()),
            (Some("T1"), "#a:b+c")
        );
        assert_eq!(Route::parse("email :x").unwrap().channel, "email");
        for bad in ["", ":", "x:", ":x", "+a:x", "email+:x", "email"] {
            assert_eq!(Route::parse(bad), None, "{bad}");
        }
    }
}
