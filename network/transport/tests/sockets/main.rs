//! Transport over real sockets on the loopback: who gets in, what a failure says, what lives and what ends.

mod dialling;
mod fixture;
mod handshake;
mod requests;
mod world;
