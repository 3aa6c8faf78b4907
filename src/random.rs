//! Chance, in one place: what picks a deployment, and what spreads refreshes.
//!
//! Parts that need it take a number or a function, so that tests can hand in theirs; this is what the program hands in.
//! Nothing here is fit for secrets.

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
