//! Pages made a moment ago: when a window closes, every reader asks for the same one at once. Whoever asks names the state of
//! what pages are made from: of another state there is none.

use axum::body::Bytes;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a page is good for others.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// Pages kept, and octets of all of them, at most.
const MOST: usize = 32;
const MOST_BYTES: usize = 8 << 20;

/// Pages by what was asked.
#[derive(Debug, Default)]
pub struct Kept(Mutex<HashMap<String, (Instant, Bytes)>>);

impl Kept {
    /// The page that was made for `asked` less than a second before `now`.
    #[must_use]
    pub fn get(&self, asked: &str, now: Instant) -> Option<Bytes> {
        let pages = self.lock();
        let (made, page) = pages.get(asked)?;
        (now.saturating_duration_since(*made) < GOOD_FOR).then(|| page.clone())
    }

    /// Keeps `page`, made at `now`, if there is room.
    pub fn put(&self, asked: String, page: Bytes, now: Instant) {
        let mut pages = self.lock();
        pages.retain(|_, (made, _)| now.saturating_duration_since(*made) < GOOD_FOR);
        let bytes: usize = pages.values().map(|(_, page)| page.len()).sum();
        if pages.len() < MOST && bytes + page.len() <= MOST_BYTES {
            pages.insert(asked, (now, page));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Bytes)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_good_for_a_second_and_there_are_so_many() {
        let (kept, start) = (Kept::default(), Instant::now());
        let page = Bytes::from_static(b"page");
        kept.put("/".to_owned(), page.clone(), start);
        assert_eq!(kept.get("/", start + Duration::from_millis(900)), Some(page.clone()));
        assert_eq!((kept.get("/", start + GOOD_FOR), kept.get("/x", start)), (None, None));
        for number in 0..100 {
            kept.put(number.to_string(), page.clone(), start);
        }
        assert_eq!(kept.lock().len(), MOST);
        kept.put("large".to_owned(), Bytes::from(vec![0; MOST_BYTES]), start + GOOD_FOR * 2);
        kept.put("late".to_owned(), page, start + GOOD_FOR * 2);
        assert_eq!(kept.lock().len(), 1, "the old ones have gone, and there is room for one of these two");
    }
}
