//! The wheel's native half.
