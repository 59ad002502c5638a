// SPDX-License-Identifier: GPL-2.0

//! Of the report: numbers that one can work out by hand.

use crate::{
    data::Data,
    plots,
    stats::{
        fit,
        quantile,
        ratio,
        ratio_of_least, //
    },
    svg::{
        rounded,
        Scale, //
    },
    table,
    targets, //
};

/// Two contestants in three rounds: the second takes half as long, but for its last unit.
const CSV: &str = "\
# kernel: 7.3
# clock: ns
contest,case,bytes,units,unit,contestant,round,reps,ns,calls,records,out_bytes,checked
walk,dense,65536,16,entry,scan,0,2,64,1,1,24,16 pages
walk,dense,65536,16,entry,runs,0,1,16,1,1,40,16 pages
walk,dense,65536,16,entry,runs,1,1,16,1,1,40,16 pages
walk,dense,65536,16,entry,scan,1,1,64,1,1,24,16 pages
walk,dense,65536,16,entry,scan,2,1,32,1,1,24,16 pages
walk,dense,65536,16,entry,runs,2,1,4,1,1,40,16 pages
";

fn parsed() -> Data {
    Data::parse(CSV).expect("it is in the format")
}

#[test]
fn samples_are_of_one_pass_and_one_unit() {
    let data = parsed();
    let cell = &data.cells[0];
    let scan = cell.entrant("scan").expect("it took part");
    assert_eq!(scan.costs(), [2.0, 4.0, 2.0]);
    assert_eq!(data.remarks["kernel"], "7.3");
}

#[test]
fn ratios_are_round_by_round() {
    let data = parsed();
    let cell = &data.cells[0];
    let (scan, runs) = (cell.entrant("scan").unwrap(), cell.entrant("runs").unwrap());
    // 2, 4 and 8.
    let r = ratio(scan, runs);
    assert_eq!(r.value, 4.0);
    assert!(r.low >= 2.0 && r.high <= 8.0 && r.low < r.high);
    assert_eq!(ratio_of_least(scan, runs).value, 8.0);
    let same = ratio(scan, scan);
    assert_eq!((same.low, same.value, same.high), (1.0, 1.0, 1.0));
}

#[test]
fn quantiles_lie_between() {
    assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
    assert_eq!(quantile(&[1.0, 2.0], 0.25), 1.25);
    assert!(quantile(&[], 0.5).is_nan());
}

#[test]
fn a_line_is_found() {
    let line = fit(&[(1.0, 5.0), (2.0, 7.0), (3.0, 9.0)]);
    assert_eq!((line.slope, line.base, line.r2), (2.0, 3.0, 1.0));
}

#[test]
fn what_is_no_sample_is_refused() {
    for line in [
        "walk,dense",
        "walk,dense,x,16,entry,scan,0,2,64,1,1,24,16 pages",
    ] {
        assert!(Data::parse(line).is_err(), "{line}");
    }
}

#[test]
fn the_report_says_who_is_faster() {
    let data = parsed();
    let text = table::all(&data);
    assert!(text.contains("walk: dense 64 KiB"), "{text}");
    let text = targets::all(&data);
    assert!(
        text.contains("MISSED") && text.contains("scan/runs"),
        "{text}"
    );
}

#[test]
fn scales_begin_where_they_say() {
    let close = Scale::bars([20.0, 100.0].into_iter(), 0.0, 105.0);
    assert_eq!((close.at(0.0), close.at(100.0)), (0.0, 100.0));
    let far = Scale::bars([1.0, 1000.0].into_iter(), 0.0, 30.0);
    assert_eq!(
        (far.at(1.0), far.at(10.0), far.at(1000.0)),
        (0.0, 10.0, 30.0)
    );
    assert_eq!(rounded(12.34), "12.3");
}

#[test]
fn a_plot_of_nothing_is_none() {
    let data = Data::parse("").expect("nothing is a file too");
    let folder = std::env::temp_dir();
    assert!(plots::all(&data, &folder, "none")
        .expect("nothing to write")
        .is_empty());
}
