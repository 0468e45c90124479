import Foundation
import Gyro
import Testing

@Suite struct JohnsonLindenstraussTests {
  private static let study: JohnsonLindenstraussStudy = {
    var options = JohnsonLindenstraussStudy.Options()
    options.columns = [16, 20]
    options.rows = [8, 16, 40, 96]
    options.draws = 200
    options.pairs = 4
    // Nothing is thrown but what the listener throws.
    return try! JohnsonLindenstraussStudy(options)
  }()

  /// Four kinds, two lengths, four numbers of rows, three figures each: within four standard errors.
  @Test func figuresFollowTheirClosedForms() {
    #expect(Self.study.rows.count == 32)
    for row in Self.study.rows {
      for figure in [row.orthogonalityError, row.bias, row.dotProductVariance] {
        guard let expected = figure.expected else {
          Issue.record("\(row.matrix) \(row.rows)×\(row.columns) has no closed form")
          continue
        }
        #expect(
          abs(figure.measured - expected) <= 4 * figure.standardError + 1e-12,
          "\(row.matrix) \(row.rows)×\(row.columns)")
      }
    }
  }

  @Test func errorsOfIndependentEntriesFallWithTheRootOfM() throws {
    for slope in Self.study.slopes where slope.expected != nil {
      #expect(abs(slope.measured + 0.5) < 0.06, "\(slope.matrix), N = \(slope.columns)")
    }
    #expect(Self.study.slopes.filter { $0.expected != nil }.count == 4)
  }

  @Test func theStudyIsShownAsTextPictureAndObject() throws {
    let table = Self.study.table
    #expect(table.contains("orthogonalized") && table.contains("expected -0.5"))
    #expect(Self.study.picture.contains("16 → 96"))
    let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(Self.study))
    #expect((object as? [String: Any])?.keys.sorted() == ["cosine", "draws", "rows", "slopes"])
  }
}
