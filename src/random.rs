//! Chance, in one place: what picks a deployment, what spreads retries and refreshes.
//!
//! Parts that need it take a number or a [`Dice`], so that tests can hand in theirs; this is what the program hands in.
//! Nothing here is fit for secrets.

use std::sync::{Mutex, PoisonError};

/// Draws random numbers: the process's own, or a sequence that a seed fixes.
#[derive(Debug, Default)]
pub struct Dice(Option<Mutex<fastrand::Rng>>);

impl Dice {
    /// Makes dice whose every throw follows from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// Returns a random number from 0 (inclusive) to 1.
    pub fn draw(&self) -> f64 {
        match &self.0 {
            None => fastrand::f64(),
            Some(seeded) => seeded.lock().unwrap_or_else(PoisonError::into_inner).f64(),
        }
    }

    /// Returns a random place among `total`; 0 where there is none.
    pub fn place(&self, total: usize) -> usize {
        if total < 2 {
            return 0;
        }
        match &self.0 {
            None => fastrand::usize(..total),
            Some(seeded) => seeded
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .usize(..total),
        }
    }
}

/// Returns a random number from 0 (inclusive) to 1.
pub fn draw() -> f64 {
    fastrand::f64()
}

/// Returns a random version 4 UUID, for ids that need to differ but are no secret.
pub fn uuid() -> uuid::Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_differ_and_say_their_version() {
        assert_ne!(uuid(), uuid());
        assert_eq!(uuid().get_version_num(), 4);
    }

    #[test]
    fn a_seed_fixes_every_throw() {
        let throw = || {
            let dice = Dice::seeded(7);
            (dice.draw().to_bits(), dice.place(1000), dice.place(1))
        };
        assert_eq!(throw(), throw());
        assert!(Dice::default().place(3) < 3);
    }

    #[test]
    fn draws_lie_between_0_and_1_and_differ() {
        let draws: Vec<f64> = (0..100).map(|_| draw()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!(
            draws
                .windows(2)
                .any(|pair| pair[0].total_cmp(&pair[1]).is_ne())
        );
    }
}
