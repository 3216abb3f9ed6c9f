//! Figures as SVG: bars for a comparison, lines for growth.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One workload: its title, and a value for each server that was measured.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) bars: Vec<(&'static str, f64)>,
}

/// A line of a growth picture: its name, and cost over size.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x1b, 0x6c, 0xa8),
    RGBColor(0xc4, 0x5a, 0x2c),
    RGBColor(0x3c, 0x8d, 0x40),
    RGBColor(0x8a, 0x4f, 0x9e),
    RGBColor(0xb8, 0x8a, 0x14),
    RGBColor(0x2a, 0x9d, 0x9d),
    RGBColor(0xa8, 0x32, 0x4a),
    RGBColor(0x66, 0x66, 0x66),
];

fn font(size: f64) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Horizontal bars, workload by workload, each on a scale of its own that begins at 0.
pub(crate) fn draw_bars(path: &Path, caption: &str, groups: &[Group]) {
    const WIDTH: i32 = 860;
    const NAME: i32 = 110;
    const BAR: i32 = 18;
    const STEP: i32 = 24;
    const HEAD: i32 = 30;
    const VALUE: i32 = 110;
    let group_height = |group: &Group| HEAD + STEP * group.bars.len() as i32 + 8;
    let height = 50 + groups.iter().map(group_height).sum::<i32>();
    let canvas = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    canvas.fill(&WHITE).expect("a canvas");
    text(&canvas, caption, (14, 14), 18.0);
    let mut top = 44;
    for group in groups {
        text(&canvas, &group.title, (14, top + 6), 14.0);
        let longest = group.bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        for (row, (name, value)) in (0..).zip(&group.bars) {
            let y = top + HEAD + STEP * row;
            let length = (value / longest * f64::from(WIDTH - NAME - VALUE)) as i32;
            let colour = COLOURS[row as usize % COLOURS.len()];
            let bar = Rectangle::new([(NAME, y), (NAME + length.max(1), y + BAR)], colour.filled());
            canvas.draw(&bar).expect("a bar");
            text(&canvas, name, (24, y + 2), 13.0);
            let times = if row == 0 { String::new() } else { format!("  ×{:.1}", value / group.bars[0].1) };
            let label = format!("{}{times}", crate::table::number(*value));
            text(&canvas, &label, (NAME + length + 6, y + 2), 13.0);
        }
        top += group_height(group);
    }
    canvas.present().expect("the picture's file");
}

fn text(canvas: &Canvas<'_>, words: &str, place: (i32, i32), size: f64) {
    canvas.draw(&Text::new(words.to_owned(), place, font(size))).expect("a text");
}

/// Lines over the size, both axes logarithmic: a flat line does not grow, a diagonal one grows in proportion.
pub(crate) fn draw_lines(path: &Path, caption: &str, unit: &str, lines: &[Line]) {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        low * 0.7..high * 1.4
    };
    let (x, y) = (range(&mut points().map(|p| p.0)), range(&mut points().map(|p| p.1)));
    let canvas = SVGBackend::new(path, (860, 760)).into_drawing_area();
    canvas.fill(&WHITE).expect("a canvas");
    let mut chart = ChartBuilder::on(&canvas)
        .caption(caption, font(18.0))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(x.log_scale(), y.log_scale())
        .expect("a chart");
    chart
        .configure_mesh()
        .x_desc("connections and waiting tickets")
        .y_desc(unit)
        .label_style(font(12.0))
        .x_label_formatter(&|size| crate::table::number(*size))
        .y_label_formatter(&|cost| crate::table::number(*cost))
        .light_line_style(WHITE)
        .draw()
        .expect("a mesh");
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        let series = LineSeries::new(line.points.iter().copied(), style).point_size(3);
        let drawn = chart.draw_series(series).expect("a line");
        drawn.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .label_font(font(12.0))
        .draw()
        .expect("a legend");
    canvas.present().expect("the picture's file");
}
