//! Visibility: what lists and counts know of executions, and the language by which they are asked.
//!
//! [`query`] turns a filter into a [`filter::Filter`]; [`store`] keeps a [`record::Record`] per execution in the order in
//! which lists give them, and answers; [`tally`] counts by its index alone. Nothing here knows what an execution is: workflows come first, and whatever
//! else is listed by the same language makes records of its own, in a division of its own.

pub(crate) mod attributes;
pub(crate) mod civil;
mod duration;
pub(crate) mod filter;
mod page;
pub(crate) mod query;
pub(crate) mod record;
pub(crate) mod store;
mod tally;
mod text;
pub(crate) mod validate;
pub(crate) mod value;

pub(crate) use attributes::CustomAttributes;
pub use attributes::SearchAttributeType;
pub(crate) use page::Page;
pub(crate) use record::Record;
pub(crate) use store::Visibility;
