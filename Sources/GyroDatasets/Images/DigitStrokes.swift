import Foundation

/// A point; in a glyph's own box x goes right and y goes down, both from 0 to 1.
struct StrokePoint {
  var x: Float, y: Float
}

/// The strokes of the ten digits as a hand draws them, each a row of points close together.
enum DigitStrokes {
  /// The strokes of a digit in one of its styles (`style` is taken modulo their number).
  static func strokes(_ digit: Int, style: Int) -> [[StrokePoint]] {
    let styles = styles(digit)
    return styles[style % styles.count]
  }

  private static func styles(_ digit: Int) -> [[[StrokePoint]]] {
    switch digit {
    case 0: [[arc(0.5, 0.5, 0.3, 0.45, 0, 360)]]
    case 1:
      [
        [line((0.52, 0.05), (0.5, 0.95))],
        [line((0.32, 0.25), (0.53, 0.05), (0.53, 0.95))],
        [line((0.32, 0.25), (0.53, 0.05), (0.53, 0.95)), line((0.3, 0.95), (0.76, 0.95))],
      ]
    case 2:
      [
        [arc(0.5, 0.32, 0.28, 0.27, 190, 395) + line((0.73, 0.47), (0.22, 0.94), (0.82, 0.94))],
        [
          arc(0.5, 0.3, 0.27, 0.25, 200, 400) + line((0.7, 0.46), (0.38, 0.78))
            + arc(0.32, 0.85, 0.1, 0.09, 300, 90) + line((0.32, 0.94), (0.84, 0.9))
        ],
      ]
    case 3:
      [
        [arc(0.47, 0.28, 0.27, 0.23, 205, 450) + arc(0.47, 0.73, 0.31, 0.22, 270, 515)],
        [
          line((0.22, 0.06), (0.76, 0.06), (0.45, 0.42)) + arc(0.45, 0.68, 0.32, 0.27, 270, 510)
        ],
      ]
    case 4:
      [
        [line((0.6, 0.05), (0.16, 0.64), (0.86, 0.64)), line((0.64, 0.3), (0.62, 0.96))],
        [line((0.25, 0.06), (0.2, 0.5), (0.78, 0.5)), line((0.74, 0.06), (0.7, 0.96))],
      ]
    case 5:
      [
        [
          line((0.76, 0.06), (0.32, 0.06), (0.27, 0.47))
            + arc(0.47, 0.67, 0.3, 0.27, 228, 510)
        ]
      ]
    case 6:
      [
        [arc(0.74, 0.68, 0.52, 0.63, 265, 180) + arc(0.5, 0.69, 0.28, 0.26, 180, -180)],
        [line((0.6, 0.04), (0.28, 0.55)) + arc(0.5, 0.7, 0.26, 0.25, 200, -170)],
      ]
    case 7:
      [
        [line((0.2, 0.08), (0.8, 0.08), (0.4, 0.95))],
        [line((0.2, 0.08), (0.8, 0.08), (0.42, 0.95)), line((0.34, 0.5), (0.76, 0.5))],
        [line((0.2, 0.2), (0.22, 0.08), (0.78, 0.08)) + arc(1.05, 0.95, 0.6, 0.8, 240, 180)],
      ]
    case 8:
      [
        [arc(0.5, 0.28, 0.23, 0.22, 90, 450) + arc(0.5, 0.73, 0.28, 0.23, 270, 630)],
        [
          arc(0.5, 0.27, 0.24, 0.22, 330, 120) + line((0.38, 0.46), (0.66, 0.58))
            + arc(0.48, 0.74, 0.27, 0.21, 310, 570) + line((0.22, 0.68), (0.7, 0.16))
        ],
      ]
    default:
      [
        [arc(0.5, 0.3, 0.27, 0.25, 0, -360) + line((0.77, 0.3), (0.74, 0.6), (0.66, 0.96))],
        [arc(0.5, 0.3, 0.27, 0.25, 0, -360) + arc(0.27, 0.32, 0.5, 0.63, 0, 85)],
      ]
    }
  }

  /// Straight lines through points, with points between.
  private static func line(_ corners: (Float, Float)...) -> [StrokePoint] {
    var points = [StrokePoint(x: corners[0].0, y: corners[0].1)]
    for (start, end) in zip(corners, corners.dropFirst()) {
      let length = max(abs(end.0 - start.0), abs(end.1 - start.1))
      let steps = max(Int((length / 0.08).rounded(.up)), 1)
      for step in 1...steps {
        let t = Float(step) / Float(steps)
        points.append(
          StrokePoint(x: start.0 + (end.0 - start.0) * t, y: start.1 + (end.1 - start.1) * t))
      }
    }
    return points
  }

  /// Part of an ellipse, by degrees: 0 is right, 90 below.
  private static func arc(
    _ x: Float, _ y: Float, _ radiusX: Float, _ radiusY: Float, _ from: Float, _ to: Float
  ) -> [StrokePoint] {
    let steps = max(Int((abs(to - from) / 18).rounded(.up)), 2)
    return (0...steps).map { step in
      let angle = (from + (to - from) * Float(step) / Float(steps)) * .pi / 180
      return StrokePoint(x: x + radiusX * cos(angle), y: y + radiusY * sin(angle))
    }
  }
}
