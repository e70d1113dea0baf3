//! What a chart draws, and what it must not.
#![allow(clippy::unwrap_used)]
use super::*;

fn step(hour: i64, kind: Kind, values: &[f64], listened: Option<f64>) -> Step {
    let (start, end) = (UnixNanos::new(hour * 3_600, 0), UnixNanos::new((hour + 1) * 3_600, 0));
    Step { start, end, values: values.to_vec(), listened, kind, has_lost: false }
}

fn drawn(steps: &[Step]) -> String {
    let to = steps.last().unwrap().end;
    let chart = Chart {
        id: "c",
        title: "Frames <a> & \"b\"",
        description: "d",
        unit: "frames a second",
        series: 2,
        is_interval: false,
        from: UnixNanos(0),
        to,
        steps,
    };
    let svg = chart.svg();
    svg.split("</svg>").next().unwrap().to_owned()
}

#[test]
fn a_gap_is_empty_and_a_deaf_time_is_hatched_and_neither_is_a_bar() {
    let svg = drawn(&[
        step(0, Kind::Heard, &[1.0, 2.0], Some(1.0)),
        step(1, Kind::Missing, &[], None),
        step(2, Kind::Missing, &[], None),
        step(3, Kind::Deaf, &[5.0, 5.0], Some(0.2)),
    ]);
    assert_eq!(svg.matches("class=\"gap\"").count(), 1, "neighbours are one: {svg}");
    assert_eq!(svg.matches("class=\"deaf\"").count(), 1);
    let bars = |class: &str| {
        svg.split(&format!("class=\"{class}\" d=\""))
            .nth(1)
            .map_or(0, |d| d.split('"').next().unwrap().matches('M').count())
    };
    assert_eq!((bars("s1"), bars("s2")), (1, 1), "what was counted while it was deaf is not drawn as if it were true");
    assert_eq!(bars("heard"), 2, "the band has the time listened");
    assert!(svg.contains("data-from=\"0\" data-to=\"14400000\""));
}

#[test]
fn zero_is_drawn_as_nothing_and_no_exposure_as_unknown() {
    let svg = drawn(&[step(0, Kind::Heard, &[0.0, 0.0], None)]);
    assert!(!svg.contains("class=\"s1\"") && !svg.contains("class=\"gap\""));
    assert!(svg.contains("class=\"unknown\"") && !svg.contains("class=\"heard\""));
}

#[test]
fn lost_frames_have_a_mark_and_texts_are_escaped() {
    let mut lossy = step(0, Kind::Heard, &[1.0, 0.0], Some(1.0));
    assert!(!drawn(std::slice::from_ref(&lossy)).contains("class=\"lost\""));
    lossy.has_lost = true;
    let svg = drawn(&[lossy]);
    assert!(svg.contains("class=\"lost\""));
    assert!(svg.contains("<title id=\"c-wide-t\">Frames &lt;a&gt; &amp; &quot;b&quot;</title>"));
    assert!(!svg.contains("style="), "a strict policy forbids it");
}

#[test]
fn bars_stand_on_each_other_and_within_the_frame() {
    let frame = Frame::new(true);
    let steps: Vec<Step> = (0..168).map(|hour| step(hour, Kind::Heard, &[3.0, 4.0], Some(0.9))).collect();
    let svg = drawn(&steps);
    let first = svg.split("class=\"s2\" d=\"M").nth(1).unwrap();
    let numbers: Vec<f64> = first.split(['M', ' ', 'h', 'v', 'z']).take(4).map(|text| text.parse().unwrap()).collect();
    let [x, y, width, height] = numbers[..] else { unreachable!() };
    assert!((x - frame.left).abs() < 0.2 && width > 3.0);
    let top_of_scale = 8.0;
    let per_unit = (frame.floor - frame.top) / top_of_scale;
    assert!((y - (frame.floor - 7.0 * per_unit)).abs() < 0.3, "{y}");
    assert!((height - 4.0 * per_unit).abs() < 0.3, "{height}");
}

#[test]
fn an_interval_is_a_band_with_a_line_that_ends_where_nothing_is_known() {
    let steps = [
        step(0, Kind::Heard, &[1.0, 2.0, 4.0], None),
        step(1, Kind::Heard, &[2.0, 3.0, 6.0], None),
        step(2, Kind::Missing, &[], None),
        step(3, Kind::Heard, &[0.0, 0.0, 1.0], None),
    ];
    let to = steps.last().unwrap().end;
    let (from, steps) = (UnixNanos(0), &steps[..]);
    let chart = Chart { id: "c", title: "", description: "", unit: "", series: 3, is_interval: true, from, to, steps };
    let svg = chart.svg();
    let svg = svg.split("</svg>").next().unwrap();
    let path = |class: &str| svg.split(&format!("class=\"{class}\" d=\"")).nth(1).unwrap().split('"').next().unwrap();
    assert_eq!((path("between").matches('M').count(), path("estimate").matches('M').count()), (3, 2));
    assert!(!svg.contains("class=\"s1\""));
}
