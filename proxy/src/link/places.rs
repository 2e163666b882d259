//! How many connections of one kind a source may have at once.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

use crate::source;

/// Counts by source (see [`source::of`]). Clones count together.
#[derive(Clone, Debug)]
pub struct Places {
    max: Option<u32>,
    taken: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// One place of a source, given back when dropped.
#[derive(Debug)]
pub struct Place {
    source: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl Places {
    /// At most `max` for each source; `None` has no limit and costs nothing.
    pub fn new(max: Option<u32>) -> Self {
        Self { max, taken: Arc::default() }
    }

    /// A place for `address`; an error when its source has all it may have, `Ok(None)` when there is no limit.
    ///
    /// # Errors
    /// [`Full`].
    pub fn take(&self, address: IpAddr) -> Result<Option<Place>, Full> {
        let Some(max) = self.max else { return Ok(None) };
        let source = source::of(address);
        let mut taken = self.taken.lock();
        let count = taken.entry(source).or_insert(0);
        if *count >= max {
            return Err(Full);
        }
        *count += 1;
        Ok(Some(Place { source, taken: self.taken.clone() }))
    }
}

/// The source has all the places it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many connections from this address")]
pub struct Full;

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        if let Some(count) = taken.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_address_and_come_back() {
        let places = Places::new(Some(2));
        let [one, other]: [IpAddr; 2] = [[127, 0, 0, 1].into(), [127, 0, 0, 2].into()];
        let first = places.take(one).unwrap();
        let _second = places.take(one).unwrap();
        assert_eq!(places.take(one).err(), Some(Full));
        assert!(places.take(other).unwrap().is_some(), "others are not affected");
        drop(first);
        assert!(places.take(one).is_ok());
        assert!(places.taken.lock().contains_key(&one));
    }

    #[test]
    fn a_network_has_its_places_together() {
        let places = Places::new(Some(2));
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 7, n, n, n, n]);
        let _held = [places.take(address(1)).unwrap(), places.take(address(2)).unwrap()];
        assert_eq!(places.take(address(3)).err(), Some(Full));
    }

    #[test]
    fn nothing_is_kept_for_addresses_that_left_or_without_a_limit() {
        let places = Places::new(Some(1));
        drop(places.take([127, 0, 0, 1].into()).unwrap());
        assert!(places.taken.lock().is_empty());
        assert!(Places::new(None).take([127, 0, 0, 1].into()).unwrap().is_none());
    }
}
