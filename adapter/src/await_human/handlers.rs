//! The signals, queries and updates of a [`HumanWorkflow`], typed at both ends.

use std::{any::Any, collections::BTreeMap, marker::PhantomData};

use temporalio_common::{
    QueryDefinition, SignalDefinition, UpdateDefinition,
    data_converters::{
        GenericPayloadConverter as _, PayloadConverter, SerializationContext, SerializationContextData,
        TemporalDeserializable, TemporalSerializable, WorkflowSerializationContext,
    },
    protos::temporal::api::common::v1::Payload,
};
use temporalio_workflow::{
    WorkflowContextView,
    workflow_interceptors::WorkflowOutputValue,
    workflows::{UpdateDefinitionDescriptor, WorkflowError},
};

use super::workflow::{HumanRun, HumanWorkflow};

/// Why a query, an update or its validator refuses.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

macro_rules! definition {
    ($(#[$doc:meta])* $name:ident <$($parameter:ident),+>) => {
        $(#[$doc])*
        pub struct $name<$($parameter),+> {
            name: &'static str,
            marker: PhantomData<fn() -> ($($parameter),+)>,
        }

        impl<$($parameter),+> $name<$($parameter),+> {
            /// One of that name. Names that begin with `awaithumans:` are the adapter's own.
            pub const fn new(name: &'static str) -> Self {
                Self { name, marker: PhantomData }
            }
        }

        impl<$($parameter),+> Clone for $name<$($parameter),+> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($parameter),+> Copy for $name<$($parameter),+> {}

        impl<$($parameter),+> std::fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.name).finish()
            }
        }
    };
}

definition! {
    /// A signal of the workflow `W` with the argument `I`: a constant that the handler is
    /// registered with and that `WorkflowHandle::signal` takes.
    HumanSignal<W, I>
}
definition! {
    /// A query of the workflow `W` with the argument `I` and the answer `O`: a constant that the
    /// handler is registered with and that `WorkflowHandle::query` takes.
    HumanQuery<W, I, O>
}
definition! {
    /// An update of the workflow `W` with the argument `I` and the result `O`: a constant that the
    /// handler is registered with and that `WorkflowHandle::execute_update` takes.
    HumanUpdate<W, I, O>
}

/// What Temporal can carry; every `serde` type is.
trait Data: TemporalSerializable + TemporalDeserializable + 'static {}
impl<T: TemporalSerializable + TemporalDeserializable + 'static> Data for T {}

impl<W, I> SignalDefinition for HumanSignal<W, I>
where
    W: HumanWorkflow,
    I: TemporalSerializable + TemporalDeserializable + 'static,
{
    type Workflow = HumanRun<W>;
    type Input = I;

    fn name(&self) -> &str {
        self.name
    }
}

impl<W, I, O> QueryDefinition for HumanQuery<W, I, O>
where
    W: HumanWorkflow,
    I: TemporalSerializable + TemporalDeserializable + 'static,
    O: TemporalSerializable + TemporalDeserializable + 'static,
{
    type Workflow = HumanRun<W>;
    type Input = I;
    type Output = O;

    fn name(&self) -> &str {
        self.name
    }
}

impl<W, I, O> UpdateDefinition for HumanUpdate<W, I, O>
where
    W: HumanWorkflow,
    I: TemporalSerializable + TemporalDeserializable + 'static,
    O: TemporalSerializable + TemporalDeserializable + 'static,
{
    type Workflow = HumanRun<W>;
    type Input = I;
    type Output = O;

    fn name(&self) -> &str {
        self.name
    }
}

type Output = Box<dyn WorkflowOutputValue>;
type Decode = fn(Vec<Payload>, &PayloadConverter) -> Result<Box<dyn Any>, WorkflowError>;
type Read<W, T> = Box<dyn Fn(&W, &WorkflowContextView, Box<dyn Any>) -> Result<T, WorkflowError>>;
type Change<W, T> = Box<dyn Fn(&mut W, &WorkflowContextView, Box<dyn Any>) -> Result<T, WorkflowError>>;

pub(super) struct SignalHandler<W> {
    pub(super) decode: Decode,
    pub(super) handle: Change<W, ()>,
}

pub(super) struct QueryHandler<W> {
    pub(super) decode: Decode,
    pub(super) handle: Read<W, Output>,
}

pub(super) struct UpdateHandler<W> {
    pub(super) decode: Decode,
    pub(super) validate: Option<Read<W, ()>>,
    pub(super) handle: Change<W, Output>,
}

/// Where [`HumanWorkflow::handlers`] registers what the workflow answers to. Of two handlers with
/// one name the later one counts.
pub struct Handlers<W> {
    pub(super) signals: BTreeMap<&'static str, SignalHandler<W>>,
    pub(super) queries: BTreeMap<&'static str, QueryHandler<W>>,
    pub(super) updates: BTreeMap<&'static str, UpdateHandler<W>>,
}

impl<W: HumanWorkflow> Handlers<W> {
    pub(super) fn of_workflow() -> Self {
        let mut handlers = Self {
            signals: BTreeMap::new(),
            queries: BTreeMap::new(),
            updates: BTreeMap::new(),
        };
        W::handlers(&mut handlers);
        handlers
    }

    /// Changes the workflow's state on a signal. The run function sees the change in
    /// [`HumanContext::wait_condition`](crate::HumanContext::wait_condition).
    pub fn signal<I: TemporalSerializable + TemporalDeserializable + 'static>(
        &mut self,
        signal: HumanSignal<W, I>,
        handle: impl Fn(&mut W, &WorkflowContextView, I) + 'static,
    ) -> &mut Self {
        self.signals.insert(
            signal.name,
            SignalHandler {
                decode: decode::<I>,
                handle: Box::new(move |workflow, ctx, input| {
                    handle(workflow, ctx, *downcast::<I>(input)?);
                    Ok(())
                }),
            },
        );
        self
    }

    /// Answers a query from the workflow's state.
    pub fn query<I, O>(
        &mut self,
        query: HumanQuery<W, I, O>,
        handle: impl Fn(&W, &WorkflowContextView, I) -> Result<O, HandlerError> + 'static,
    ) -> &mut Self
    where
        I: TemporalSerializable + TemporalDeserializable + 'static,
        O: TemporalSerializable + TemporalDeserializable + 'static,
    {
        self.queries.insert(
            query.name,
            QueryHandler {
                decode: decode::<I>,
                handle: Box::new(move |workflow, ctx, input| output(handle(workflow, ctx, *downcast::<I>(input)?))),
            },
        );
        self
    }

    /// Changes the workflow's state on an update, and answers it.
    pub fn update<I, O>(
        &mut self,
        update: HumanUpdate<W, I, O>,
        handle: impl Fn(&mut W, &WorkflowContextView, I) -> Result<O, HandlerError> + 'static,
    ) -> &mut Self
    where
        I: TemporalSerializable + TemporalDeserializable + 'static,
        O: TemporalSerializable + TemporalDeserializable + 'static,
    {
        self.updates.insert(
            update.name,
            UpdateHandler {
                decode: decode::<I>,
                validate: None,
                handle: Box::new(move |workflow, ctx, input| output(handle(workflow, ctx, *downcast::<I>(input)?))),
            },
        );
        self
    }

    /// As [`Handlers::update`]; an update that `validate` refuses leaves no trace in the history.
    pub fn validated_update<I, O>(
        &mut self,
        update: HumanUpdate<W, I, O>,
        validate: impl Fn(&W, &WorkflowContextView, &I) -> Result<(), HandlerError> + 'static,
        handle: impl Fn(&mut W, &WorkflowContextView, I) -> Result<O, HandlerError> + 'static,
    ) -> &mut Self
    where
        I: TemporalSerializable + TemporalDeserializable + 'static,
        O: TemporalSerializable + TemporalDeserializable + 'static,
    {
        self.update(update, handle);
        if let Some(handler) = self.updates.get_mut(update.name) {
            handler.validate = Some(Box::new(move |workflow, ctx, input| {
                validate(workflow, ctx, &*downcast::<I>(input)?).map_err(WorkflowError::Execution)
            }));
        }
        self
    }

    pub(super) fn update_descriptors(&self) -> Vec<UpdateDefinitionDescriptor> {
        self.updates
            .iter()
            .map(|(name, handler)| UpdateDefinitionDescriptor {
                name: (*name).to_owned(),
                has_validator: handler.validate.is_some(),
            })
            .collect()
    }
}

impl<W> std::fmt::Debug for Handlers<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handlers")
            .field("signals", &self.signals.keys())
            .field("queries", &self.queries.keys())
            .field("updates", &self.updates.keys())
            .finish()
    }
}

/// What a message is told that reaches a workflow without a handler for it.
pub(super) fn no_handler(kind: &str, name: &str) -> WorkflowError {
    WorkflowError::Execution(format!("no {kind} handler for {name:?}").into())
}

fn decode<I: Data>(payloads: Vec<Payload>, converter: &PayloadConverter) -> Result<Box<dyn Any>, WorkflowError> {
    let data = SerializationContextData::Workflow(WorkflowSerializationContext::new());
    let input: I = converter.from_payloads(&SerializationContext::new(&data, converter), payloads)?;
    Ok(Box::new(input))
}

/// An interceptor may have put something else in the argument's place.
fn downcast<I: 'static>(input: Box<dyn Any>) -> Result<Box<I>, WorkflowError> {
    input.downcast::<I>().map_err(|_| {
        let expected = std::any::type_name::<I>();
        WorkflowError::Execution(format!("the handler's argument is no {expected}").into())
    })
}

fn output<O: Data>(result: Result<O, HandlerError>) -> Result<Output, WorkflowError> {
    match result {
        Ok(output) => Ok(Box::new(output)),
        Err(error) => Err(WorkflowError::Execution(error)),
    }
}
