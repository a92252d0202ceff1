//! The one integration binary.

mod signatures;
