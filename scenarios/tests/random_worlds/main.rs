//! Worlds that nobody thought of, and the observer that judges them.

mod findings;
mod secrecy;
mod wire;
mod worlds;
