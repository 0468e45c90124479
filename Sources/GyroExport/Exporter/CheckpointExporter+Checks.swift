/// What exporters make sure of before the first byte is written.
extension CheckpointExporter {
  /// Refuses a storage type that the format has not.
  func refuseStorage(_ options: ExportOptions) throws(ExportError) {
    guard let storage = options.storage, !storages.contains(storage) else { return }
    throw .unknownStorage(storage, format: name, known: storages)
  }

  /// Refuses what would make the file wrong.
  ///
  /// - Parameter instead: what to try, for a demand that is impossible.
  /// - Returns: what is left to the runtime, a sentence each.
  func checked(
    _ model: ShippedModel, _ options: ExportOptions, instead: (ExportDemand) -> String
  ) throws(ExportError) -> [String] {
    var left: [String] = []
    for demand in model.demands {
      switch fidelity(of: demand, options) {
      case .exact, .within: break
      case .leftToRuntime(let what): if !left.contains(what) { left.append(what) }
      case .impossible(let reason):
        throw .impossible(
          format: name, path: demand.path.name, what: demand.summary, because: reason,
          instead: instead(demand))
      }
    }
    return left
  }
}
