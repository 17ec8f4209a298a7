//! A client against a gateway that it should not trust, over real TLS.

mod parts;
mod reports;
mod tampering;
mod transactions;
mod world;
