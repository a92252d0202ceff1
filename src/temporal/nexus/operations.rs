//! Operations without a workflow: all of them, and the ways to find one.

use std::collections::BTreeMap;

use crate::temporal::machine::standalone_nexus_operation::StandaloneNexusOperation;
use crate::temporal::reject::Reject;

/// Names an operation without a workflow inside the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OperationRef(pub(crate) u64);

/// The standalone operations of all namespaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    operations: BTreeMap<OperationRef, StandaloneNexusOperation>,
    by_run_id: BTreeMap<String, OperationRef>,
    /// The latest run of each operation id.
    current: BTreeMap<(String, String), OperationRef>,
    last: u64,
}

impl Operations {
    /// A name for an operation that is about to be made.
    pub(crate) fn next_ref(&mut self) -> OperationRef {
        self.last += 1;
        OperationRef(self.last)
    }

    /// Adds an operation; it is its id's latest from now on.
    pub(crate) fn insert(&mut self, operation: StandaloneNexusOperation) {
        let name = operation.name();
        let start = operation.start();
        let key = (start.namespace.clone(), start.operation_id.clone());
        self.by_run_id.insert(start.run_id.clone(), name);
        self.current.insert(key, name);
        self.operations.insert(name, operation);
    }

    /// Forgets an operation and all that leads to it.
    pub(crate) fn remove(&mut self, operation: OperationRef) -> Option<StandaloneNexusOperation> {
        let removed = self.operations.remove(&operation)?;
        let start = removed.start();
        self.by_run_id.remove(&start.run_id);
        let key = (start.namespace.clone(), start.operation_id.clone());
        if self.current.get(&key) == Some(&operation) {
            self.current.remove(&key);
        }
        Some(removed)
    }

    pub(crate) fn get(&self, operation: OperationRef) -> Option<&StandaloneNexusOperation> {
        self.operations.get(&operation)
    }

    pub(crate) fn get_mut(&mut self, operation: OperationRef) -> Option<&mut StandaloneNexusOperation> {
        self.operations.get_mut(&operation)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &StandaloneNexusOperation> {
        self.operations.values()
    }

    /// The latest run of an operation id.
    pub(crate) fn current(&self, namespace: &str, operation_id: &str) -> Option<&StandaloneNexusOperation> {
        let key = (namespace.to_owned(), operation_id.to_owned());
        self.current.get(&key).and_then(|operation| self.get(*operation))
    }

    /// The operation that a client names: by run id, or the latest of the operation id.
    pub(crate) fn find(
        &self,
        namespace: &str,
        operation_id: &str,
        run_id: &str,
    ) -> Result<&StandaloneNexusOperation, Reject> {
        let found = match run_id {
            "" => self.current(namespace, operation_id),
            run_id => self
                .by_run_id
                .get(run_id)
                .and_then(|operation| self.get(*operation))
                .filter(|it| it.start().operation_id == operation_id && it.start().namespace == namespace),
        };
        found.ok_or_else(|| not_found(operation_id))
    }
}

/// Temporal's one text for everything that isn't there about an operation (`ChasmEngine.convertNotFoundError`).
pub(crate) fn not_found(operation_id: &str) -> Reject {
    Reject::NotFound(format!("operation not found for ID: {operation_id}"))
}
