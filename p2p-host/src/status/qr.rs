//! The session's URL as a QR code, for the phone on the desk.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The code in half blocks, or `None` if it does not fit `width` columns.
pub(super) fn lines(url: &str, width: usize, colour: bool) -> Option<Vec<String>> {
    // The lowest correction level: a screen has no scratches, and fewer modules scan better.
    let code = QrCode::with_error_correction_level(url, EcLevel::L).ok()?;
    if code.width() + 2 * QUIET_ZONE > width {
        return None;
    }
    let mut image = code.render::<Dense1x2>();
    if colour {
        // Black on white whatever the terminal's own colours are.
        let image = image.build();
        return Some(image.lines().map(|row| format!("\x1b[30;107m{row}\x1b[0m")).collect());
    }
    // Without colours the polarity is the terminal's; most are dark, so light modules are drawn.
    image.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    Some(image.build().lines().map(str::to_owned).collect())
}

/// Modules of margin on each side, which the renderer adds.
const QUIET_ZONE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://k3v9x2m7q4w8r5t1.wingman.dev";

    #[test]
    fn the_code_fits_the_width_it_was_allowed_or_is_left_out() {
        let rows = lines(URL, 80, false).expect("fits 80 columns");
        let width = rows[0].chars().count();
        assert!(rows.iter().all(|row| row.chars().count() == width), "ragged: {rows:?}");
        assert!(rows.len() <= 24, "{} rows", rows.len());
        assert!(lines(URL, width, false).is_some(), "exact fit");
        assert!(lines(URL, width - 1, false).is_none(), "one column short");
    }

    #[test]
    fn the_quiet_zone_is_light() {
        let plain = lines(URL, 80, false).expect("fits");
        assert!(plain[0].chars().all(|c| c == '█'), "drawn on dark terminals: {}", plain[0]);
        let coloured = lines(URL, 80, true).expect("fits");
        assert!(coloured[0].starts_with("\x1b[30;107m "), "blank on white: {}", coloured[0]);
    }
}
