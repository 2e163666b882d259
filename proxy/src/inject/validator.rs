//! Entity tags of documents with our script in them.
//!
//! Their bytes are not the origin's, so their tags must not be either (RFC 9110 §8.8.1): they are weak,
//! and marked, so that a condition tells whose representation it is about. The mark says what the
//! origin's tag was; origins get exactly that back, for many compare texts.

/// The tag for the document made of what had `tag`; `None` if that is no entity tag.
pub(super) fn mark(tag: &[u8]) -> Option<Vec<u8>> {
    let (is_weak, opaque) = parse(tag.trim_ascii())?;
    let mark = if is_weak { WAS_WEAK } else { WAS_STRONG };
    Some([b"W/\"", opaque, mark, b"\""].concat())
}

/// Whether any tag of a condition is ours.
pub(super) fn has_ours(condition: &[u8]) -> bool {
    tags(condition).any(|tag| restored(tag).is_some())
}

/// A condition with the origin's tags in place of ours.
pub(super) fn restore(condition: &[u8]) -> Vec<u8> {
    join(tags(condition).map(|tag| restored(tag).unwrap_or_else(|| tag.to_vec())))
}

/// A condition without our tags; `None` if nothing is left of it.
pub(super) fn without_ours(condition: &[u8]) -> Option<Vec<u8>> {
    let left = join(tags(condition).filter(|tag| restored(tag).is_none()).map(<[u8]>::to_vec));
    (!left.is_empty()).then_some(left)
}

/// The origin's tag, if this is one of ours.
fn restored(tag: &[u8]) -> Option<Vec<u8>> {
    let (_, opaque) = parse(tag)?;
    if let Some(opaque) = opaque.strip_suffix(WAS_WEAK) {
        return Some([b"W/\"", opaque, b"\""].concat());
    }
    let opaque = opaque.strip_suffix(WAS_STRONG)?;
    Some([b"\"", opaque, b"\""].concat())
}

/// Weak or not, and what is between the quotes.
fn parse(tag: &[u8]) -> Option<(bool, &[u8])> {
    let (is_weak, quoted) = match tag.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, tag),
    };
    let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!opaque.contains(&b'"')).then_some((is_weak, opaque))
}

/// The parts of a list: commas between quotes are of the tag.
fn tags(condition: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let parts = condition.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    });
    parts.map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
}

fn join(tags: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    tags.collect::<Vec<_>>().join(&b", "[..])
}

const WAS_STRONG: &[u8] = b"-wingman";
const WAS_WEAK: &[u8] = b"-wingman-weak";

#[cfg(test)]
#[path = "tests/validator.rs"]
mod tests;
