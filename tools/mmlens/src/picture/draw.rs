// SPDX-License-Identifier: GPL-2.0

//! Draws a layout as SVG.
//!
//! The colors are those of Okabe and Ito, which people tell apart whatever colors they see. What traps
//! and what is swapped out has a pattern, too.

use super::{
    layout::Layout,
    shapes::{Area, Font, Label, Stroke},
};
use svg::{
    node::element::{Definitions, Group, Line, Pattern, Polyline, Rectangle, Style, Text, Title},
    Document, Node,
};

const STYLE: &str = "
text { font-family: 'DejaVu Sans', Verdana, sans-serif; fill: #222222 }
.mono { font-family: 'DejaVu Sans Mono', Consolas, monospace; font-size: 11px }
.title { font-size: 20px; font-weight: bold }
.heading { font-size: 14px; font-weight: bold }
.plain { font-size: 11px }
.small { font-size: 9px }
.right { text-anchor: end }
.quiet { fill: #666666 }
.danger { fill: #b00000; font-weight: bold }
.paper { fill: #ffffff }
.hole { fill: #ececec }
.anon { fill: #0072b2 }
.file { fill: #56b4e9 }
.special { fill: #cc79a7 }
.huge { fill: #e69f00 }
.swap { fill: url(#dots) }
.guard { fill: url(#hatch) }
.note { fill: #009e73 }
.write { fill: #222222 }
.exec { fill: #d55e00 }
.table { fill: #ffffff; stroke: #999999; stroke-width: 1 }
.thin { fill: #ececec }
.used { fill: #0072b2 }
.break { fill: none; stroke: #888888; stroke-width: 1 }
.edge { fill: none; stroke: #bbbbbb; stroke-width: 1 }
";

/// Two digits behind the point are more than anybody sees.
fn number(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

pub fn draw(layout: &Layout) -> String {
    let (width, height) = (number(layout.width), number(layout.height));
    let mut document = Document::new()
        .set("width", width)
        .set("height", height)
        .set("viewBox", (0, 0, width, height))
        .set("role", "img")
        .add(Title::new(layout.title.clone()))
        .add(Style::new(STYLE))
        .add(patterns())
        .add(
            Rectangle::new()
                .set("class", "paper")
                .set("width", width)
                .set("height", height),
        );
    let mut strokes = Group::new().set("class", "strokes");
    layout
        .strokes
        .iter()
        .for_each(|s| strokes.append(stroke(s)));
    let mut areas = Group::new().set("class", "areas");
    layout.areas.iter().for_each(|a| areas.append(area(a)));
    let mut labels = Group::new().set("class", "labels");
    layout.labels.iter().for_each(|l| labels.append(label(l)));
    document.append(strokes);
    document.append(areas);
    document.append(labels);
    let mut text = document.to_string();
    text.push('\n');
    text
}

fn patterns() -> Definitions {
    let pattern = |id: &str, size: f64| {
        Pattern::new()
            .set("id", id)
            .set("width", size)
            .set("height", size)
            .set("patternUnits", "userSpaceOnUse")
    };
    let ground = |size: f64, color: &str| {
        Rectangle::new()
            .set("width", size)
            .set("height", size)
            .set("fill", color)
    };
    let line = |(x1, y1, x2, y2): (f64, f64, f64, f64)| {
        Line::new()
            .set("x1", x1)
            .set("y1", y1)
            .set("x2", x2)
            .set("y2", y2)
            .set("stroke", "#222222")
            .set("stroke-width", 1.5)
    };
    let hatch = pattern("hatch", 4.0)
        .add(ground(4.0, "#f0e442"))
        .add(line((0.0, 4.0, 4.0, 0.0)))
        .add(line((-1.0, 1.0, 1.0, -1.0)))
        .add(line((3.0, 5.0, 5.0, 3.0)));
    let dot = Rectangle::new()
        .set("x", 1)
        .set("y", 1)
        .set("width", 1.5)
        .set("height", 1.5)
        .set("fill", "#ffffff");
    let dots = pattern("dots", 4.0).add(ground(4.0, "#d55e00")).add(dot);
    Definitions::new().add(hatch).add(dots)
}

fn area(area: &Area) -> Rectangle {
    let rectangle = Rectangle::new()
        .set("class", area.class)
        .set("x", number(area.x))
        .set("y", number(area.y))
        .set("width", number(area.width))
        .set("height", number(area.height));
    match &area.hint {
        Some(hint) => rectangle.add(Title::new(hint.clone())),
        None => rectangle,
    }
}

fn stroke(stroke: &Stroke) -> Polyline {
    let points: Vec<String> = stroke
        .points
        .iter()
        .map(|&(x, y)| format!("{},{}", number(x), number(y)))
        .collect();
    Polyline::new()
        .set("class", stroke.class)
        .set("points", points.join(" "))
}

fn label(label: &Label) -> Text {
    let mut class = label.font.class().to_string();
    if label.is_right {
        class += " right";
    }
    if label.class != "ink" {
        class = format!("{class} {}", label.class);
    }
    debug_assert!(label.font.size() >= Font::Small.size());
    Text::new(label.text.clone())
        .set("class", class)
        .set("x", number(label.x))
        .set("y", number(label.y))
}
