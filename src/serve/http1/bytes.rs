//! Which bytes may stand where, as llhttp has it.

/// A set of bytes.
type Set = [bool; 256];

const fn set(signs: &[u8], letters: bool, range: Option<(u8, u8)>) -> Set {
    let mut set = [false; 256];
    let mut index = 0;
    while index < signs.len() {
        set[signs[index] as usize] = true;
        index += 1;
    }
    let mut byte = 0;
    while byte < 256 {
        if letters && (byte as u8).is_ascii_alphanumeric() {
            set[byte] = true;
        }
        if let Some((first, last)) = range
            && byte >= first as usize
            && byte <= last as usize
        {
            set[byte] = true;
        }
        byte += 1;
    }
    set
}

const TOKEN: Set = set(b"!#$%&'*+-.^_`|~", true, None);
const USER_INFO: Set = set(b"-_.!~*'()%;:&=+$,", true, None);
/// All that is printed but for `#` and `?`, which lead elsewhere.
const TARGET: Set = {
    let mut printed = set(b"", false, Some((0x21, 0x7e)));
    printed[b'#' as usize] = false;
    printed[b'?' as usize] = false;
    printed
};
const VALUE: Set = {
    let mut value = set(b"\t", false, Some((0x20, 0xff)));
    value[0x7f] = false;
    value
};

/// Part of the name of a header or of a chunk's extension.
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Part of a header's value, or of a quoted text.
pub(super) fn is_in_value(byte: u8) -> bool {
    VALUE[usize::from(byte)]
}

/// Part of a path, a query or a fragment.
pub(super) fn is_in_target(byte: u8) -> bool {
    TARGET[usize::from(byte)]
}

/// Part of what stands before a host, or of the host.
pub(super) fn is_of_user_info(byte: u8) -> bool {
    USER_INFO[usize::from(byte)]
}

/// How many bytes at the front are of a kind.
pub(super) fn count(bytes: &[u8], is: fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !is(*byte)).unwrap_or(bytes.len())
}
