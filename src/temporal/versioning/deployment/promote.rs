//! Making a version current, and ramping to one.

use temporalio_protos::temporal::api::enums::v1::VersionDrainageStatus as DrainageStatus;

use super::{Deployment, Queues, token};
use crate::clock::Timestamp;
use crate::temporal::reject::Reject;
use crate::temporal::versioning::routing::{Ramp, Routing};
use crate::temporal::versioning::version::{Version, dotted};
use crate::temporal::versioning::version_state::Sync;

/// The RPC `SetWorkerDeploymentCurrentVersion`.
#[derive(Clone, Debug)]
pub(crate) struct SetCurrent {
    /// As the client spelt it.
    pub(crate) text: String,
    /// `None` for workers without a version.
    pub(crate) version: Option<Version>,
    pub(crate) identity: String,
    pub(crate) ignore_missing_queues: bool,
    pub(crate) conflict_token: Vec<u8>,
    pub(crate) allow_no_pollers: bool,
}

/// The RPC `SetWorkerDeploymentRampingVersion`.
#[derive(Clone, Debug)]
pub(crate) struct SetRamping {
    /// As the client spelt it.
    pub(crate) text: String,
    pub(crate) ramp: Ramp,
    pub(crate) percentage: f32,
    pub(crate) identity: String,
    pub(crate) ignore_missing_queues: bool,
    pub(crate) conflict_token: Vec<u8>,
    pub(crate) allow_no_pollers: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promoted {
    pub(crate) conflict_token: Vec<u8>,
    /// The version before, as the deprecated fields spell it.
    pub(crate) previous: String,
    pub(crate) previous_percentage: f32,
    pub(crate) syncs: Vec<Sync>,
}

impl Deployment {
    /// Makes a version current.
    pub(crate) fn set_current(
        &mut self,
        queues: &dyn Queues,
        request: SetCurrent,
        at: Timestamp,
    ) -> Result<Promoted, Reject> {
        let new = request.version.as_ref();
        let previous = self.routing.current.clone();
        if dotted(previous.as_ref()) == request.text && self.last_modifier == request.identity {
            return Ok(self.unchanged(request.text, 0.0));
        }
        self.check_token(&request.conflict_token)?;
        self.check_known(new, &request.text, request.allow_no_pollers)?;
        self.check_manager(&request.identity)?;
        let mut syncs = Vec::new();
        if let Some(new) = new {
            // A real server reports this limit as an internal error here.
            syncs.extend(self.add_version(queues, new, at).map_err(Reject::Internal)?);
        }
        if let (Some(previous), Some(new)) = (&previous, new)
            && !request.ignore_missing_queues
            && self.misses_queues(queues, previous, new)
        {
            return Err(Reject::FailedPrecondition(format!(
                "proposed current version '{}' is missing active task queues from the current version; these would \
                 become unversioned if it is set as the current version",
                new.colon()
            )));
        }
        if previous.as_ref() != new {
            self.move_current(new, previous.as_ref(), at, &mut syncs);
        }
        self.changed_by(&request.identity, at);
        Ok(Promoted {
            conflict_token: self.conflict_token.clone(),
            previous: dotted(previous.as_ref()),
            previous_percentage: 0.0,
            syncs,
        })
    }

    /// Starts, changes or ends a ramp.
    pub(crate) fn set_ramping(
        &mut self,
        queues: &dyn Queues,
        request: SetRamping,
        at: Timestamp,
    ) -> Result<Promoted, Reject> {
        let previous = self.routing.ramp.clone();
        let previous_percentage = self.routing.ramp_percentage;
        let same_percentage = previous_percentage.to_bits() == request.percentage.to_bits();
        if previous.dotted() == request.text && same_percentage && self.last_modifier == request.identity {
            return Ok(self.unchanged(request.text, request.percentage));
        }
        self.check_token(&request.conflict_token)?;
        if request.text == dotted(self.routing.current.as_ref()) {
            return Err(Reject::FailedPrecondition(format!(
                "requested ramping version {} is already current",
                request.text
            )));
        }
        self.check_known(request.ramp.version(), &request.text, request.allow_no_pollers)?;
        self.check_manager(&request.identity)?;
        let mut syncs = Vec::new();
        if let Some(new) = request.ramp.version() {
            syncs.extend(self.add_version(queues, new, at).map_err(Reject::Internal)?);
        }
        if previous != request.ramp || !same_percentage {
            self.move_ramp(queues, &request, &previous, at, &mut syncs)?;
        }
        self.changed_by(&request.identity, at);
        Ok(Promoted {
            conflict_token: self.conflict_token.clone(),
            previous: previous.dotted(),
            previous_percentage,
            syncs,
        })
    }

    fn move_current(
        &mut self,
        new: Option<&Version>,
        previous: Option<&Version>,
        at: Timestamp,
        syncs: &mut Vec<Sync>,
    ) {
        let mut routing = Routing {
            current: new.cloned(),
            current_changed: Some(at),
            revision: self.routing.revision + 1,
            ..self.routing.clone()
        };
        let was_ramping = match new {
            Some(new) => self.routing.ramp.version() == Some(new),
            None => self.routing.ramp == Ramp::Unversioned,
        };
        if was_ramping {
            routing.ramp = Ramp::None;
            routing.ramp_percentage = 0.0;
            routing.ramp_changed = Some(at);
            routing.ramp_percentage_changed = Some(at);
        }
        if let Some(new) = new {
            syncs.extend(self.tell(new, &routing, at));
            self.note_drainage(new, DrainageStatus::Unspecified, at);
        }
        if let Some(previous) = previous {
            syncs.extend(self.tell(previous, &routing, at));
        }
        self.routing = routing;
    }

    fn move_ramp(
        &mut self,
        queues: &dyn Queues,
        request: &SetRamping,
        previous: &Ramp,
        at: Timestamp,
        syncs: &mut Vec<Sync>,
    ) -> Result<(), Reject> {
        let is_other = *previous != request.ramp;
        let routing = Routing {
            ramp: request.ramp.clone(),
            ramp_percentage: request.percentage,
            ramp_changed: match is_other {
                true => Some(at),
                false => self.routing.ramp_changed,
            },
            ramp_percentage_changed: Some(at),
            revision: self.routing.revision + 1,
            ..self.routing.clone()
        };
        let current = self.routing.current.clone();
        if let (Some(current), Some(new)) = (&current, request.ramp.version())
            && is_other
            && !request.ignore_missing_queues
            && self.misses_queues(queues, current, new)
        {
            return Err(Reject::FailedPrecondition(format!(
                "proposed ramping version '{}' is missing active task queues from the current version; these would \
                 become unversioned if it is set as the ramping version",
                new.colon()
            )));
        }
        // A ramp without a version of its own reaches the queues by way of the current one.
        let carrier = match &request.ramp {
            Ramp::None => previous.version().or(current.as_ref()),
            Ramp::Unversioned => current.as_ref(),
            Ramp::Version(new) => Some(new),
        };
        if let Some(carrier) = carrier {
            syncs.extend(self.tell(carrier, &routing, at));
        }
        if let Some(previous) = previous.version().filter(|_| is_other) {
            match request.ramp {
                Ramp::None => self.note_drainage(previous, DrainageStatus::Draining, at),
                Ramp::Unversioned | Ramp::Version(_) => syncs.extend(self.tell(previous, &routing, at)),
            }
        }
        self.routing = routing;
        Ok(())
    }

    fn unchanged(&self, previous: String, previous_percentage: f32) -> Promoted {
        Promoted {
            conflict_token: self.conflict_token.clone(),
            previous,
            previous_percentage,
            syncs: Vec::new(),
        }
    }

    fn changed_by(&mut self, identity: &str, at: Timestamp) {
        self.conflict_token = token(at);
        self.touched = at;
        identity.clone_into(&mut self.last_modifier);
    }

    /// Refuses a version that the deployment doesn't have, spelt as the deprecated fields do.
    fn check_known(&self, version: Option<&Version>, text: &str, allow_no_pollers: bool) -> Result<(), Reject> {
        let Some(version) = version else {
            return Ok(());
        };
        let known = self.versions.contains_key(&version.build_id) && version.dotted() == text;
        match known || allow_no_pollers {
            true => Ok(()),
            false => Err(Reject::NotFound(format!(
                "build ID '{}' not found in Worker Deployment '{}'",
                version.build_id, self.name
            ))),
        }
    }

    /// Whether a queue of the current version that is in use would be without the new one's workers.
    fn misses_queues(&self, queues: &dyn Queues, current: &Version, new: &Version) -> bool {
        let of = |version: &Version| self.versions.get(&version.build_id).map(|listed| &listed.state.queues);
        let (Some(before), Some(after)) = (of(current), of(new)) else {
            return false;
        };
        before.difference(after).any(|queue| queues.is_in_use(current, queue))
    }

    /// Tells a version of the new routing, and by it its queues.
    fn tell(&mut self, version: &Version, routing: &Routing, at: Timestamp) -> Option<Sync> {
        let listed = self.versions.get_mut(&version.build_id)?;
        let sync = listed.state.apply(routing, at);
        listed.summary = listed.state.summary();
        Some(sync)
    }

    fn note_drainage(&mut self, version: &Version, status: DrainageStatus, at: Timestamp) {
        if let Some(listed) = self.versions.get_mut(&version.build_id) {
            listed.note_drainage(status, at);
        }
    }
}
