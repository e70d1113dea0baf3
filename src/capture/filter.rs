//! BPF filter expressions, as `tcpdump` has them (pcap-filter(7)), compiled by libpcap for each link type met.

use super::CaptureError;
use crate::dot11::LinkType;
use pcap::{BpfProgram, Capture, Linktype};

/// An expression, and its programs for the link types met so far.
pub struct Filter {
    expression: String,
    programs: Vec<(LinkType, BpfProgram)>,
}

impl Filter {
    /// Reads the expression, which must make sense for at least one of the common link types.
    ///
    /// # Errors
    /// [`CaptureError::Filter`], with what libpcap said.
    pub fn new(expression: &str) -> Result<Self, CaptureError> {
        let mut filter = Self { expression: expression.to_owned(), programs: Vec::new() };
        filter.compile(LinkType::RADIOTAP).or_else(|error| filter.compile(LinkType::ETHERNET).map_err(|_| error))?;
        Ok(filter)
    }

    /// Whether a packet of this link type matches.
    ///
    /// # Errors
    /// [`CaptureError::Filter`] where the expression asks for what packets of this link type do not have.
    pub fn matches(&mut self, link: LinkType, data: &[u8]) -> Result<bool, CaptureError> {
        let at = match self.programs.iter().position(|&(of, _)| of == link) {
            Some(at) => at,
            None => self.compile(link)?,
        };
        Ok(self.programs.get(at).is_some_and(|(_, program)| program.filter(data)))
    }

    /// Compiles the expression for `link`; says which of the programs that is.
    fn compile(&mut self, link: LinkType) -> Result<usize, CaptureError> {
        // LINKTYPE_ and libpcap's own DLT_ numbers agree but for raw IP.
        let number = if link == LinkType::RAW { 12 } else { i32::from(link.0) };
        let program =
            Capture::dead(Linktype(number)).and_then(|capture| capture.compile(&self.expression, true)).map_err(
                |error| CaptureError::Filter { expression: self.expression.clone(), link, message: said(&error) },
            )?;
        self.programs.push((link, program));
        Ok(self.programs.len() - 1)
    }
}

fn said(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(message) => message.trim().to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn matches_by_each_link_types_own_layout() {
        let mut filter = Filter::new("ether src 02:00:00:00:00:01").unwrap();
        let frame = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        assert!(filter.matches(LinkType::ETHERNET, &frame).unwrap());
        assert!(!filter.matches(LinkType::ETHERNET, &[0; 14]).unwrap());
        assert!(!filter.matches(LinkType::IEEE802_11, &frame).unwrap());
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(Filter::new("wlan type mgt subtype beacon").is_ok());
        let error = Filter::new("wlan typ mgt").err().unwrap().to_string();
        assert!(error.contains("'wlan typ mgt'") && error.contains("syntax error"), "{error}");
        let mut filter = Filter::new("wlan type mgt").unwrap();
        assert!(filter.matches(LinkType::ETHERNET, &[0; 60]).is_err());
    }
}
