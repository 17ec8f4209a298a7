//! What is wrong with a policy: its text, or its meaning in a channel.

/// Why a text is not a policy. Positions count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyParseError {
    /// The text departs from the grammar.
    #[error("policy text, character {position}: found {found}, expected {expected}")]
    Syntax {
        /// Where.
        position: usize,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A principal names no known role.
    #[error(
        "policy text, character {position}: '{role}' is not a role; use member, admin, client, peer or orderer"
    )]
    UnknownRole {
        /// Where the principal begins.
        position: usize,
        /// What stands after the last dot.
        role: String,
    },
    /// A principal's organisation cannot be an MSP id.
    #[error("policy text, character {position}: {reason}")]
    MspId {
        /// Where the principal begins.
        position: usize,
        /// The rule that it breaks.
        reason: String,
    },
    /// A threshold that no or every set of signatures meets.
    #[error(
        "policy text, character {position}: OutOf({needed}, …) over {count} rules; the number must lie between 1 and {count}"
    )]
    Threshold {
        /// Where the number stands.
        position: usize,
        /// The number.
        needed: usize,
        /// How many rules follow it.
        count: usize,
    },
    /// Rules are nested too deeply.
    #[error("policy text, character {position}: rules are nested more than {limit} deep")]
    TooDeep {
        /// Where the first rule beyond the limit stands.
        position: usize,
        /// The greatest depth.
        limit: usize,
    },
    /// There are too many principals.
    #[error("policy text, character {position}: more than {limit} principals")]
    TooManyPrincipals {
        /// Where the first principal beyond the limit stands.
        position: usize,
        /// The greatest number.
        limit: usize,
    },
    /// The text is too long.
    #[error("policy text of {bytes} bytes; the limit is {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The greatest length.
        limit: usize,
    },
}

/// Why a policy cannot be used in a channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// An implicit-meta policy stands over no organisation.
    #[error(
        "policy {path}: '{policy}' stands over no organisation, so nobody could meet it; add an organisation or write a signature policy"
    )]
    NoOrganizations {
        /// The policy's path.
        path: String,
        /// Its text.
        policy: String,
    },
    /// Nested rules over the same organisation compete for signers in more ways than are worth trying.
    #[error(
        "policy {path}: its nested rules over the same organisation can be met in more than {limit} ways; name each organisation in one rule only, or use fewer alternatives"
    )]
    TooManyWays {
        /// The policy's path.
        path: String,
        /// The greatest number of ways.
        limit: usize,
    },
}
