//! `/_testkit/v1/faults`: what goes wrong, when and how often.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::problem::Problem;
use super::{Control, answer, body};
use crate::fault::{ActiveRule, Fault, Rule, RuleId};
use crate::journal::Party;
use crate::world::World;

const FAULT_FIX: &str = "send {\"fault\": {\"lose_webhook\": {}}}, and \"when\" and \"times\" if it isn't once and from now on; \
                         docs/control-api.md has all faults with their fields";

/// How many rules there may be at a time; those that have fired count, until they are taken away.
const MAX_RULES: usize = 1_000;

/// A rule and what has become of it, as clients see it.
#[derive(Serialize)]
struct Seen<'a> {
    /// By which it can be taken away.
    id: u64,
    /// What it says, in short.
    text: String,
    /// How often it has fired.
    fired: u32,
    /// Whether it would strike now: its moment has come, and it has fired less often than it may.
    armed: bool,
    rule: &'a Rule,
}

impl<'a> Seen<'a> {
    fn of(active: &'a ActiveRule) -> Self {
        Self {
            id: active.id.number(),
            text: active.rule.to_string(),
            fired: active.fired,
            armed: active.is_armed && !active.is_spent(),
            rule: &active.rule,
        }
    }
}

#[derive(Serialize)]
struct All<'a> {
    faults: Vec<Seen<'a>>,
}

#[derive(Serialize)]
struct Removed<'a> {
    removed: Vec<Seen<'a>>,
}

/// `POST /_testkit/v1/faults`: sets a rule.
pub(super) async fn set(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let rule: Rule = body::read(request, FAULT_FIX).await?;
    if matches!(rule.fault, Fault::ReceiverCrashes { .. }) {
        return Err(Problem::NotOverNetwork {
            fault: rule.fault.name(),
        });
    }
    control.driver.write(|world| {
        if world.faults().iter().count() >= MAX_RULES {
            return Err(Problem::TooManyFaults { most: MAX_RULES });
        }
        // Said before it is set: a crash without a moment happens at once.
        rule.check().map_err(|why| Problem::ImpossibleRule { why })?;
        world.note(Party::Test, format!("sets the fault rule {rule}"));
        let id = world.add_fault(rule).map_err(|why| Problem::ImpossibleRule { why })?;
        let set = world.faults().iter().find(|active| active.id == id);
        let seen = set.map(|active| answer(StatusCode::CREATED, &Seen::of(active)));
        seen.ok_or_else(|| unknown(id.number().to_string()))
    })
}

/// `GET /_testkit/v1/faults`: all rules, oldest first.
pub(super) async fn list(State(control): State<Control>) -> Response {
    // A write, since a world on real time learns only by it what has happened meanwhile.
    control.driver.write(|world| {
        let faults = world.faults().iter().map(Seen::of).collect();
        answer(StatusCode::OK, &All { faults })
    })
}

/// `DELETE /_testkit/v1/faults/{id}`: takes a rule away.
pub(super) async fn remove(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let id = request.uri().path().rsplit('/').next().unwrap_or_default();
    let number: u64 = id.parse().map_err(|_| unknown(id.to_owned()))?;
    let removed = control.driver.write(|world| take_away(world, RuleId(number)));
    let active = removed.ok_or_else(|| unknown(id.to_owned()))?;
    Ok(answer(StatusCode::OK, &Seen::of(&active)))
}

/// `DELETE /_testkit/v1/faults`: takes all rules away.
pub(super) async fn remove_all(State(control): State<Control>) -> Response {
    let removed = control.driver.write(|world| {
        let ids: Vec<RuleId> = world.faults().iter().map(|active| active.id).collect();
        let removed = ids.into_iter().filter_map(|id| take_away(world, id));
        removed.collect::<Vec<ActiveRule>>()
    });
    let removed = removed.iter().map(Seen::of).collect();
    answer(StatusCode::OK, &Removed { removed })
}

fn take_away(world: &mut World, id: RuleId) -> Option<ActiveRule> {
    let active = world.remove_fault(id)?;
    let line = format!(
        "takes the fault rule {} away, which has fired {} times",
        active.rule, active.fired
    );
    world.note(Party::Test, line);
    Some(active)
}

fn unknown(id: String) -> Problem {
    Problem::UnknownFault { id }
}
