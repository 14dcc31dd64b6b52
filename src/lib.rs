//! Invitation Ledger: the command line and the composition root. It knows every
//! room and holds no rule.

pub mod bus;
pub mod cli;
pub mod clock;
pub mod serve;
pub mod settings;
