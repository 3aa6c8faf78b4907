use super::*;

fn lead(flights: &Flights<u32>, key: &str) -> (Lead<u32>, Waiter<u32>) {
    match flights.join(key) {
        Joined::Leader(lead, waiter) => (lead, waiter),
        Joined::Follower(_) => panic!("somebody leads already"),
    }
}

fn follow(flights: &Flights<u32>, key: &str) -> Waiter<u32> {
    match flights.join(key) {
        Joined::Follower(waiter) => waiter,
        Joined::Leader(..) => panic!("nobody leads"),
    }
}

async fn all(waiter: &mut Waiter<u32>) -> (Vec<u32>, Option<ErrorKind>) {
    let mut items = Vec::new();
    while let Some(next) = waiter.next().await {
        match next {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error.kind())),
        }
    }
    (items, None)
}

/// Polls once.
async fn now<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    poll_fn(|cx| match std::pin::Pin::new(&mut future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn everyone_gets_everything_however_late_they_join() {
    let flights = Flights::default();
    let (lead, mut first) = lead(&flights, "k");
    assert!(lead.push(1, 1).await);
    let mut second = follow(&flights, "k");
    assert!(lead.push(2, 1).await);
    let mut third = flights.follow("k").unwrap();
    let (other, _waiter) = self::lead(&flights, "other");
    drop(other);
    lead.finish(Ok(()));
    for waiter in [&mut first, &mut second, &mut third] {
        assert_eq!(all(waiter).await, (vec![1, 2], None));
        assert!(waiter.next().await.is_none());
    }
    assert!(flights.follow("k").is_none());
    assert!(matches!(flights.join("k"), Joined::Leader(..)));
}

#[tokio::test]
async fn waiters_are_woken_by_items_and_by_the_end() {
    let flights = Flights::default();
    let (lead, mut first) = lead(&flights, "k");
    let mut second = follow(&flights, "k");
    let work = async {
        tokio::task::yield_now().await;
        assert!(lead.push(7, 1).await);
        tokio::task::yield_now().await;
        lead.finish(Ok(()));
    };
    let ((), one, two) = tokio::join!(work, all(&mut first), all(&mut second));
    assert_eq!((one, two), ((vec![7], None), (vec![7], None)));
}

#[tokio::test]
async fn leader_that_hangs_up_does_not_end_the_call() {
    let flights = Flights::default();
    let (lead, first) = lead(&flights, "k");
    let mut second = follow(&flights, "k");
    drop(first);
    assert_eq!(lead.while_awaited(async { 5 }).await, Some(5));
    assert!(lead.push(5, 1).await);
    lead.finish(Ok(()));
    assert_eq!(all(&mut second).await, (vec![5], None));
}

#[tokio::test]
async fn call_ends_with_its_last_waiter() {
    let flights = Flights::<u32>::default();
    let (lead, first) = lead(&flights, "k");
    let second = follow(&flights, "k");
    let leaving = async {
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        drop(second);
    };
    let (work, ()) = tokio::join!(lead.while_awaited(std::future::pending::<()>()), leaving);
    assert_eq!(work, None);
    assert!(!lead.push(1, 1).await);
    assert!(flights.is_empty());
    // Who comes now has a call of its own, while the old one still winds down.
    let (fresh, _waiter) = self::lead(&flights, "k");
    drop(lead);
    assert_eq!(flights.len(), 1);
    drop(fresh);
    assert!(flights.is_empty());
}

#[tokio::test]
async fn error_is_told_to_everyone_once() {
    let flights = Flights::default();
    let (lead, mut first) = lead(&flights, "k");
    let mut second = follow(&flights, "k");
    assert!(lead.push(1, 1).await);
    lead.finish(Err(Error::new(ErrorKind::Throttled, "slow down")));
    for waiter in [&mut first, &mut second] {
        assert_eq!(all(waiter).await, (vec![1], Some(ErrorKind::Throttled)));
        assert!(waiter.next().await.is_none());
    }
    assert!(flights.is_empty());
}

#[tokio::test]
async fn leader_that_vanishes_is_an_error() {
    let flights = Flights::default();
    let (lead, mut first) = lead(&flights, "k");
    drop(lead);
    assert_eq!(all(&mut first).await, (vec![], Some(ErrorKind::Internal)));
}

#[tokio::test]
async fn each_waiter_has_its_own_patience() {
    let flights = Flights::default();
    let (lead, mut first) = lead(&flights, "k");
    let mut second = follow(&flights, "k");
    // The first one's time is over: it gives up what it waited for.
    assert!(now(Box::pin(first.next())).await.is_none());
    drop(first);
    assert!(now(Box::pin(second.next())).await.is_none());
    assert!(lead.push(1, 1).await);
    lead.finish(Ok(()));
    assert_eq!(all(&mut second).await, (vec![1], None));
}

#[tokio::test]
async fn full_log_waits_for_the_slowest_and_takes_nobody_in() {
    let flights = Flights::default();
    let (lead, mut fast) = lead(&flights, "k");
    let mut slow = follow(&flights, "k");
    assert!(lead.push(1, MOST_BYTES).await);
    assert!(flights.follow("k").is_some());
    assert!(lead.push(2, 1).await);
    assert!(flights.follow("k").is_none() && flights.is_empty());
    assert!(fast.next().await.is_some() && fast.next().await.is_some());
    assert_eq!(now(Box::pin(lead.push(3, 1))).await, None);
    let work = async {
        assert!(lead.push(3, 1).await);
        lead.finish(Ok(()));
    };
    let ((), slow, fast) = tokio::join!(work, all(&mut slow), all(&mut fast));
    assert_eq!((slow, fast), ((vec![1, 2, 3], None), (vec![3], None)));
}

#[tokio::test]
async fn slowest_that_leaves_makes_room() {
    let flights = Flights::default();
    let (lead, mut fast) = lead(&flights, "k");
    let slow = follow(&flights, "k");
    assert!(lead.push(1, MOST_BYTES + 1).await);
    assert!(fast.next().await.is_some());
    assert_eq!(now(Box::pin(lead.push(2, 1))).await, None);
    drop(slow);
    assert_eq!(now(Box::pin(lead.push(2, 1))).await, Some(true));
}
