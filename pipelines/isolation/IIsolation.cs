namespace Gauntlet.Pipelines.Isolation;

/// <summary>A way to run a shell command that a stranger wrote, on a tree that a stranger wrote, without network or privileges and within limits.</summary>
public interface IIsolation
{
    /// <summary>For messages: <c>namespaces</c>, <c>docker 20.10</c>.</summary>
    string Name { get; }

    /// <param name="tree">A tar file; the command finds its content as its working directory, and owns it.</param>
    /// <param name="command">For /bin/sh.</param>
    /// <param name="readable">Folders of the host that it may read, at their own places.</param>
    /// <param name="environment">Variables; nothing else is inherited.</param>
    /// <param name="limits">What it may use.</param>
    /// <param name="cancellation">Ends it, with all it started.</param>
    /// <exception cref="IsolationException">The isolation could not be set up. The command did not run.</exception>
    Task<IsolatedResult> RunAsync(
        string tree, string command, IReadOnlyList<string> readable, IReadOnlyDictionary<string, string> environment, IsolationLimits limits, CancellationToken cancellation);
}

/// <summary><see cref="IsolatedCommand"/>: needs nothing but Linux.</summary>
public sealed class NamespaceIsolation : IIsolation
{
    public static readonly NamespaceIsolation Instance = new();

    public string Name => "namespaces";

    public Task<IsolatedResult> RunAsync(
        string tree, string command, IReadOnlyList<string> readable, IReadOnlyDictionary<string, string> environment, IsolationLimits limits, CancellationToken cancellation) =>
        IsolatedCommand.RunAsync(tree, command, readable, environment, limits, cancellation);
}
