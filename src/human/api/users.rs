//! The directory of users, for operators.

use awaithumans_temporal::wire::json::{Json, Text};

use super::body::{Body, Fields};
use super::query::Query;
use super::{Answer, Call, storable, view};
use crate::human::Human;
use crate::human::reject::Reject;
use crate::human::users::{Details, NewPassword, User};

/// The least characters of a password.
const LEAST_PASSWORD: usize = 8;

/// `POST /api/admin/users`.
pub(super) fn create(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let body = Body::read(&call.headers, &call.body)?;
    call.caller.require_admin()?;
    let details = Asked::parse(body.fields()?, Fields::boolean_if_there)?.into_details(human)?;
    let id = human.secrets.uuid_hex();
    let user = human.users.add(call.now, id, details)?;
    Ok(answer(201, user))
}

/// `GET /api/admin/users`, oldest first.
pub(super) fn list(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    let mut query = Query::parse(call.query.as_deref());
    let wanted = |name: &str, query: &Query| query.get(name).map(str::to_owned);
    let (role, access_level, pool) = (
        wanted("role", &query),
        wanted("access_level", &query),
        wanted("pool", &query),
    );
    let active = query.optional_boolean("active");
    query.finish()?;
    let fits = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
    let users = human.users.oldest_first().filter(|user| {
        let words = fits(&role, &user.role) && fits(&access_level, &user.access_level) && fits(&pool, &user.pool);
        words && active.is_none_or(|active| active == user.active)
    });
    Ok(Answer::Json {
        status: 200,
        body: Json::Array(users.map(view::user).collect()),
    })
}

/// `GET /api/admin/users/{id}`.
pub(super) fn get(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    let unknown = || Reject::UserNotFound { id: call.id.clone() };
    Ok(answer(200, human.users.get(&call.id).ok_or_else(unknown)?))
}

/// `PATCH /api/admin/users/{id}`: what is `null` or isn't said stays.
pub(super) fn update(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let body = Body::read(&call.headers, &call.body)?;
    call.caller.require_admin()?;
    let details = Asked::parse(body.fields()?, Fields::optional_boolean)?.into_details(human)?;
    Ok(answer(200, human.users.change(call.now, &call.id, details)?))
}

/// `DELETE /api/admin/users/{id}`: for good.
pub(super) fn delete(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    human.users.remove(&call.id)?;
    Ok(Answer::NoContent)
}

/// `POST /api/admin/users/{id}/password`.
pub(super) fn set_password(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let body = Body::read(&call.headers, &call.body)?;
    call.caller.require_admin()?;
    let mut fields = body.fields()?;
    let password = fields.string_of_length("password", LEAST_PASSWORD, None);
    fields.finish()?;
    let details = Details {
        password: Some(new_password(human, &password)?),
        ..Details::default()
    };
    Ok(answer(200, human.users.change(call.now, &call.id, details)?))
}

/// `DELETE /api/admin/users/{id}/password`.
pub(super) fn clear_password(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    Ok(answer(200, human.users.clear_password(call.now, &call.id)?))
}

fn answer(status: u16, user: &User) -> Answer {
    Answer::Json {
        status,
        body: view::user(user),
    }
}

fn new_password(human: &mut Human, text: &Text) -> Result<NewPassword, Reject> {
    Ok(NewPassword {
        text: storable(text)?,
        salt: human.secrets.bytes16(),
    })
}

/// What a caller says of a user: `UserCreateRequest` and `UserUpdateRequest`, which differ in what `null` is for a truth value.
struct Asked {
    display_name: Option<Text>,
    email: Option<Text>,
    slack_team_id: Option<Text>,
    slack_user_id: Option<Text>,
    role: Option<Text>,
    access_level: Option<Text>,
    pool: Option<Text>,
    is_operator: Option<bool>,
    password: Option<Text>,
    active: Option<bool>,
}

impl Asked {
    /// Reads the fields in the order of the models.
    fn parse(mut fields: Fields, boolean: fn(&mut Fields, &str) -> Option<bool>) -> Result<Self, Reject> {
        let asked = Self {
            display_name: fields.optional_string("display_name"),
            email: fields.optional_string("email"),
            slack_team_id: fields.optional_string("slack_team_id"),
            slack_user_id: fields.optional_string("slack_user_id"),
            role: fields.optional_string("role"),
            access_level: fields.optional_string("access_level"),
            pool: fields.optional_string("pool"),
            is_operator: boolean(&mut fields, "is_operator"),
            password: fields.optional_string_of_length("password", LEAST_PASSWORD, None),
            active: boolean(&mut fields, "active"),
        };
        fields.finish()?;
        Ok(asked)
    }

    fn into_details(self, human: &mut Human) -> Result<Details, Reject> {
        let text = |text: Option<Text>| text.as_ref().map(storable).transpose();
        Ok(Details {
            display_name: text(self.display_name)?,
            email: text(self.email)?,
            slack_team_id: text(self.slack_team_id)?,
            slack_user_id: text(self.slack_user_id)?,
            role: text(self.role)?,
            access_level: text(self.access_level)?,
            pool: text(self.pool)?,
            is_operator: self.is_operator,
            active: self.active,
            password: self
                .password
                .as_ref()
                .map(|password| new_password(human, password))
                .transpose()?,
        })
    }
}
