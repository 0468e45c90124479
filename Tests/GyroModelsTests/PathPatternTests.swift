import GyroModels
import Testing

@Suite("Patterns over paths")
struct PathPatternTests {
  private let paths: [ParameterPath] = [
    "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
    "model.layers.0.mlp.down_proj.input_clip", "rotation.r1", "rotation.layers.0.r2",
    "a.rotation.r1",
  ]

  private func matched(_ pattern: PathPattern) -> [ParameterPath] { paths.filter(pattern.matches) }

  @Test("a bar stands between alternatives")
  func alternatives() {
    #expect(matched("q_proj|k_proj") == Array(paths[0...1]))
    #expect(matched("k_proj|nothing") == [paths[1]])
    #expect(matched("nothing|none") == [])
    #expect(matched("q_proj|q_proj") == [paths[0]])
    // Each alternative has anchors and wildcards of its own.
    #expect(
      matched("^rotation|model.layers.0.mlp.down_proj.input_clip") == Array(paths[2...4]))
    #expect(matched("*.r2|^a") == Array(paths[4...5]))
    #expect(matched("layers.0.*|r1") == [paths[3], paths[5]])
    #expect(matched("*layers.0.*|r1") == paths)
  }

  @Test("without alternatives a bar stands for nothing")
  func lonelyBars() {
    #expect(matched("|") == [] && matched("||") == [])
    #expect(matched("|q_proj|") == [paths[0]])
  }
}
