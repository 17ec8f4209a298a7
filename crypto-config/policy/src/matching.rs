//! Gives slots to signers so that each slot has its own signer, by augmenting paths (Kuhn's algorithm).
//!
//! A slot is a list of principals of which one must sign; a signer fills at most one slot. A slot that was once filled
//! stays filled, though its signer may change when a later slot needs that signer more.

/// Which signer meets which principal: rows are principals by their place in the policy, columns are signers.
pub(crate) struct Meets {
    table: Vec<bool>,
    pub(crate) signers: usize,
}

impl Meets {
    pub(crate) fn new(principals: usize, signers: usize, meets: impl Fn(usize, usize) -> bool) -> Self {
        let mut table = Vec::with_capacity(principals * signers);
        for principal in 0..principals {
            table.extend((0..signers).map(|signer| meets(principal, signer)));
        }
        Self { table, signers }
    }

    fn get(&self, principal: usize, signer: usize) -> bool {
        self.table[principal * self.signers + signer]
    }

    /// The first principal of the slot that the signer meets.
    fn principal_met(&self, slot: &[usize], signer: usize) -> Option<usize> {
        slot.iter().copied().find(|principal| self.get(*principal, signer))
    }
}

/// Slots with their signers.
#[derive(Clone)]
pub(crate) struct Matching<'a> {
    slots: Vec<&'a [usize]>,
    slot_of_signer: Vec<Option<usize>>,
}

impl<'a> Matching<'a> {
    pub(crate) fn new(signers: usize) -> Self {
        Self { slots: Vec::new(), slot_of_signer: vec![None; signers] }
    }

    /// Adds `slot` if it can be filled beside all others; returns whether it was.
    pub(crate) fn add(&mut self, slot: &'a [usize], meets: &Meets) -> bool {
        self.slots.push(slot);
        let mut tried = vec![false; meets.signers];
        let filled = self.fill(self.slots.len() - 1, meets, &mut tried);
        if !filled {
            self.slots.pop();
        }
        filled
    }

    fn fill(&mut self, slot: usize, meets: &Meets, tried: &mut [bool]) -> bool {
        for signer in 0..meets.signers {
            if tried[signer] || meets.principal_met(self.slots[slot], signer).is_none() {
                continue;
            }
            tried[signer] = true;
            let is_free = match self.slot_of_signer[signer] {
                None => true,
                Some(other) => self.fill(other, meets, tried),
            };
            if is_free {
                self.slot_of_signer[signer] = Some(slot);
                return true;
            }
        }
        false
    }

    /// The pairs (principal's place, signer).
    pub(crate) fn pairs(&self, meets: &Meets) -> Vec<(usize, usize)> {
        let signers = self.slot_of_signer.iter().enumerate();
        signers
            .filter_map(|(signer, slot)| {
                let principal = meets.principal_met(self.slots[(*slot)?], signer)?;
                Some((principal, signer))
            })
            .collect()
    }
}
