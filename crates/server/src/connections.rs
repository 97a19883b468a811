//! Which connections are open, and which of them makes room for a new one.
//!
//! Clients that open connections and never finish a request, or never read an answer, must not keep others out. So where
//! the bound is reached, the connection that has waited longest for a request is closed; browsers open another when they
//! need one. One of which not a byte has come goes before one of which some have: however many connections are opened and left
//! alone, they make room for each other, and a client that asks keeps its place until it is heard. Where all have requests, one
//! makes room whose client has been waited for longest: for the rest of a body, or for
//! taking what it is sent. Connections whose answer is being computed are never closed for others.
//!
//! A connection that makes room is answered first, with 503, unless it was answered before and only kept for later requests: its
//! client may be about to send one, and must be told to come again.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// For how long a client in the middle of a request is waited for before it may have to make room.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often those that wait for a place look whether a client has been waited for long enough.
const LOOK: Duration = Duration::from_millis(50);

/// A connection's socket with its share of the system's descriptors. It is given back behind the socket's end and not before: one that has
/// to make room is no connection any more and open for a moment longer.
pub struct Socket {
    stream: TcpStream,
    _descriptor: OwnedSemaphorePermit,
}

impl Socket {
    /// A socket that was accepted with this descriptor.
    pub fn new(stream: TcpStream, descriptor: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new(Self { stream, _descriptor: descriptor })
    }
}

impl Deref for Socket {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.stream
    }
}

/// All open connections.
pub struct Connections {
    bound: usize,
    start: Instant,
    open: Mutex<Open>,
    /// A connection ended, or waits for a request again.
    changed: Notify,
}

#[derive(Default)]
struct Open {
    next: u64,
    /// By the order in which they came, or were last answered.
    connections: BTreeMap<u64, Arc<Activity>>,
}

/// What a connection is doing.
#[derive(Default)]
struct Activity {
    /// Its place in the order.
    number: AtomicU64,
    /// How many requests are being answered.
    answering: AtomicUsize,
    /// Since when its client is waited for in the middle of a request, in milliseconds since the start and one; else 0.
    waits_since: AtomicU64,
    /// Whether a request was answered.
    was_answered: AtomicBool,
    /// Whether some of a request was read that is not being answered yet.
    has_begun: AtomicBool,
    /// The connection itself, to see whether something has come that was not read yet.
    stream: Weak<Socket>,
    /// Whether it has to make room.
    leaves: AtomicBool,
    /// Told when it has to.
    leave: Notify,
}

impl Activity {
    fn is_idle(&self) -> bool {
        self.answering.load(Ordering::Acquire) == 0
    }

    /// Whether not a byte of a next request has come.
    fn is_silent(&self) -> bool {
        let has_come = || {
            let stream = self.stream.upgrade();
            stream.is_some_and(|stream| {
                let peeked = SockRef::from(&**stream).peek(&mut [std::mem::MaybeUninit::uninit()]);
                peeked.is_ok_and(|count| count > 0)
            })
        };
        self.is_idle() && !self.has_begun.load(Ordering::Acquire) && !has_come()
    }
}

impl Open {
    fn append(&mut self, activity: &Arc<Activity>) {
        activity.number.store(self.next, Ordering::Release);
        self.connections.insert(self.next, Arc::clone(activity));
        self.next += 1;
    }

    fn remove(&mut self, activity: &Activity) -> bool {
        self.connections.remove(&activity.number.load(Ordering::Acquire)).is_some()
    }
}

impl Connections {
    pub fn new(bound: usize) -> Arc<Self> {
        let start = Instant::now();
        Arc::new(Self { bound, start, open: Mutex::default(), changed: Notify::new() })
    }

    /// Takes a place for a new connection. Where none is free and none can be made free, waits for one.
    pub async fn enter(self: &Arc<Self>, stream: &Arc<Socket>) -> Place {
        loop {
            // Asked for before looking, so that no change is missed between the two.
            let changed = self.changed.notified();
            if let Some(place) = self.try_enter(Arc::downgrade(stream)) {
                return place;
            }
            // Nothing tells of a client that has now been waited for long enough.
            let _ = tokio::time::timeout(LOOK, changed).await;
        }
    }

    fn try_enter(self: &Arc<Self>, stream: Weak<Socket>) -> Option<Place> {
        let mut open = self.open();
        if open.connections.len() >= self.bound && !self.close_one(&mut open) {
            return None;
        }
        let activity = Arc::new(Activity { stream, ..Activity::default() });
        open.append(&activity);
        Some(Place { connections: Arc::clone(self), activity })
    }

    /// Closes a connection, so that there is room for another; says whether one could be closed.
    pub fn make_room(&self) -> bool {
        self.close_one(&mut self.open())
    }

    fn close_one(&self, open: &mut Open) -> bool {
        let first = |is_wanted: fn(&Activity) -> bool| {
            open.connections.iter().find(|(_, activity)| is_wanted(activity)).map(|(number, _)| *number)
        };
        let idle = first(Activity::is_silent).or_else(|| first(Activity::is_idle));
        let longest = idle.or_else(|| self.waited_for_longest(open));
        match longest.and_then(|number| open.connections.remove(&number)) {
            Some(activity) => {
                activity.leaves.store(true, Ordering::Release);
                activity.leave.notify_waiters();
                true
            }
            None => false,
        }
    }

    /// The connection in the middle of a request whose client has been waited for longest, and long enough.
    fn waited_for_longest(&self, open: &Open) -> Option<u64> {
        let since = |activity: &Activity| activity.waits_since.load(Ordering::Acquire);
        let waited_for = open.connections.iter().filter(|(_, activity)| since(activity) != 0);
        let (number, activity) = waited_for.min_by_key(|(_, activity)| since(activity))?;
        let waits = self.now().saturating_sub(since(activity));
        (u128::from(waits) >= PATIENCE.as_millis()).then_some(*number)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        // What is guarded is a table that no panic leaves half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection; free again when this is dropped.
pub struct Place {
    connections: Arc<Connections>,
    activity: Arc<Activity>,
}

impl Place {
    /// With which the connection's requests are counted.
    pub fn requests(&self) -> Requests {
        Requests { connections: Arc::clone(&self.connections), activity: Arc::clone(&self.activity) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(&self.activity);
        self.connections.changed.notify_one();
    }
}

/// Counts the requests of a connection.
#[derive(Clone)]
pub struct Requests {
    connections: Arc<Connections>,
    activity: Arc<Activity>,
}

impl Requests {
    /// Ends when the connection has to make room.
    pub async fn told_to_leave(&self) {
        // Made before looking, so that no word is missed between the two.
        let told = self.activity.leave.notified();
        if !self.activity.leaves.load(Ordering::Acquire) {
            told.await;
        }
    }

    /// Whether a request was answered on this connection.
    pub fn was_answered(&self) -> bool {
        self.activity.was_answered.load(Ordering::Acquire)
    }

    /// Whether a request is being answered.
    pub fn is_answering(&self) -> bool {
        self.activity.answering.load(Ordering::Acquire) > 0
    }

    /// Says that some of a request was read.
    pub fn begun(&self) {
        self.activity.has_begun.store(true, Ordering::Release);
    }

    /// Whether the client is waited for, in the middle of a request.
    pub fn set_waiting(&self, waits: bool) {
        let since = &self.activity.waits_since;
        if !waits {
            since.store(0, Ordering::Release);
        } else if since.load(Ordering::Acquire) == 0 {
            since.store(self.connections.now(), Ordering::Release);
        }
    }

    /// A body that says when its client is waited for.
    pub fn watch(&self, body: Body) -> Body {
        Body::new(Arriving { body, requests: self.clone() })
    }

    /// A request is being answered until what is returned is dropped.
    pub fn begin(&self) -> Answering {
        self.activity.answering.fetch_add(1, Ordering::AcqRel);
        Answering(self.clone())
    }
}

/// A request that is being answered.
pub struct Answering(Requests);

impl Answering {
    /// A body that keeps the request open until all of it was read.
    pub fn until_the_end_of(self, body: Body) -> Body {
        Body::new(Watched { body, _answering: self })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let Requests { connections, activity } = &self.0;
        {
            let mut open = connections.open();
            activity.was_answered.store(true, Ordering::Release);
            activity.has_begun.store(false, Ordering::Release);
            activity.answering.fetch_sub(1, Ordering::AcqRel);
            // It waits from now on.
            if open.remove(activity) {
                open.append(activity);
            }
        }
        self.0.connections.changed.notify_one();
    }
}

/// What a client sends.
struct Arriving {
    body: Body,
    requests: Requests,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.requests.set_waiting(false);
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.requests.set_waiting(frame.is_pending());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a client is sent.
struct Watched {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descriptors were counted as free when their connection had to make room, and accepting ran out of them.
    #[tokio::test]
    async fn a_descriptor_is_given_back_behind_the_end_of_its_socket() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let descriptors = Arc::new(tokio::sync::Semaphore::new(1));
        let descriptor = Arc::clone(&descriptors).acquire_owned().await.unwrap();
        let socket = Socket::new(listener.accept().await.unwrap().0, descriptor);
        let connections = Connections::new(1);
        let place = connections.try_enter(Arc::downgrade(&socket)).unwrap();
        // It makes room, and is still open.
        let next = connections.try_enter(Weak::new()).unwrap();
        drop((place, next));
        assert_eq!(descriptors.available_permits(), 0);
        drop(socket);
        assert_eq!(descriptors.available_permits(), 1);
        let end = client.readable().await.map(|()| client.try_read(&mut [0]));
        assert_eq!(end.unwrap().unwrap(), 0);
    }

    #[test]
    fn the_one_answered_last_has_waited_least() {
        let connections = Connections::new(2);
        let (first, second) =
            (connections.try_enter(Weak::new()).unwrap(), connections.try_enter(Weak::new()).unwrap());
        drop(first.requests().begin());
        let third = connections.try_enter(Weak::new()).unwrap();
        let still_open = |place: &Place| {
            connections.open().connections.values().any(|open| Arc::ptr_eq(open, &place.activity))
        };
        assert_eq!([&first, &second, &third].map(still_open), [true, false, true]);
        drop(second);
        assert_eq!([&first, &third].map(still_open), [true, true]);
    }

    #[test]
    fn the_first_that_waits_makes_room_and_one_that_is_answered_stays() {
        let connections = Connections::new(2);
        let answered = connections.try_enter(Weak::new()).unwrap();
        let answering = answered.requests().begin();
        let waiting = connections.try_enter(Weak::new()).unwrap();
        let third = connections.try_enter(Weak::new()).unwrap();
        let still_open = |place: &Place| {
            connections.open().connections.values().any(|open| Arc::ptr_eq(open, &place.activity))
        };
        assert_eq!([&answered, &waiting, &third].map(still_open), [true, false, true]);
        let of_third = third.requests().begin();
        assert!(connections.try_enter(Weak::new()).is_none());
        drop(of_third);
        assert!(connections.try_enter(Weak::new()).is_some());
        drop((answering, waiting, third));
        assert!(connections.try_enter(Weak::new()).is_some());
    }
    #[test]
    fn one_that_has_begun_to_ask_stays_before_those_that_say_nothing() {
        let connections = Connections::new(3);
        let asks = connections.try_enter(Weak::new()).unwrap();
        asks.requests().begun();
        let mut others: Vec<Place> = Vec::new();
        for _ in 0..20 {
            others.push(connections.try_enter(Weak::new()).unwrap());
        }
        let is_open = |place: &Place| {
            connections.open().connections.values().any(|open| Arc::ptr_eq(open, &place.activity))
        };
        assert!(is_open(&asks) && is_open(&others[19]) && is_open(&others[18]) && !is_open(&others[17]));
        // Where all have begun, the first of them makes room.
        others.iter().for_each(|other| other.requests().begun());
        let last = connections.try_enter(Weak::new()).unwrap();
        assert!(!is_open(&asks) && is_open(&last));
    }
}
