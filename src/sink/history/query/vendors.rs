//! Vendors: whose stations sent how much.

use crate::sink::history::{
    History,
    range::{HistoryError, Key, Order, Page, Paging, Place, Range, Scope, page},
    station::VendorSum,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// One vendor over a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct VendorRow {
    /// Its name; absent where unknown or randomised.
    pub vendor: Option<String>,
    /// Whether this stands for randomised addresses.
    pub randomised: bool,
    /// Stations of each window, summed over windows.
    pub station_windows: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Their octets.
    pub bytes_sent: u64,
}

impl History {
    /// The vendors, that of most frames first.
    ///
    /// # Errors
    /// When the file cannot be read, or the cursor is not of this list.
    pub fn vendors(&self, range: Range, scope: &Scope, paging: &Paging) -> Result<Page<VendorRow>, HistoryError> {
        let transaction = self.moment()?;
        let moment = Self::at(&transaction, range, scope);
        let mut sums: BTreeMap<(Option<String>, bool), VendorSum> = BTreeMap::new();
        moment.vendors(|key, sum| sums.entry(key).or_default().add(&sum))?;
        let rows = sums.into_iter().map(|((vendor, randomised), sum)| {
            let frames = Key::Number(i64::try_from(sum.frames_sent).unwrap_or(i64::MAX));
            let place = Place(frames, format!("{}{}", u8::from(randomised), vendor.as_deref().unwrap_or_default()));
            let VendorSum { stations: station_windows, frames_sent, bytes_sent } = sum;
            (place, VendorRow { vendor, randomised, station_windows, frames_sent, bytes_sent })
        });
        let (items, next) = page(rows.collect(), Order::Descending, paging)?;
        Ok(Page { tier: moment.tier(), items, next, truncated: false })
    }
}
