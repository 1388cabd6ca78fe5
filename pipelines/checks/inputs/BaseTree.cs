namespace Gauntlet.Pipelines.Checks.Inputs;

/// <summary>
/// The tree that patches are for, as it is without them: what judges a patch is read here, never from what it brings. Of a range that is the commit before its
/// first, of staged changes the last commit; patch files are for the working tree.
/// </summary>
internal sealed class BaseTree(CheckOptions options, string root)
{
    private readonly string? _commit =
        options.Kind == InputKind.Staged ? "HEAD" : options.Kind == InputKind.Range && options.Inputs.Count > 0 ? GitCommits.BaseOf(options.Inputs[0]) : null;

    /// <summary>A file's text; null when the tree has none.</summary>
    /// <param name="path">Relative to the root.</param>
    /// <exception cref="CheckException">It is there and cannot be read.</exception>
    public string? Read(string path)
    {
        if (_commit is not null)
            return new GitCommits(options.Folder).FileAt(_commit, path);
        var file = Path.Combine(root, path);
        try
        {
            return File.Exists(file) ? File.ReadAllText(file) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckException($"cannot read {file}: {e.Message}", CheckException.Environment);
        }
    }

    /// <summary>How a message names a file.</summary>
    public string NameOf(string path) => _commit is null ? Path.Combine(root, path) : $"{_commit}:{path}";
}
