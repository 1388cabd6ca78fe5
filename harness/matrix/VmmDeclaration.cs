namespace Gauntlet.Harness.Matrix;

/// <summary>A VMM as a matrix declares it: where its program or its versions are, or how any VMM is started by a command template.</summary>
public sealed record VmmDeclaration
{
    /// <summary>Value of the <c>vmm</c> axis.</summary>
    public required string Name { get; init; }

    /// <summary>Program to take instead of the installed one (<c>gvmm</c>, <c>qemu</c>); <c>{arch}</c> stands for the architecture; null: the installed one.</summary>
    public string? Program { get; init; }

    /// <summary>Programs by version, for the <c>vmm-version</c> axis.</summary>
    public IReadOnlyDictionary<string, string> Versions { get; init; } = new Dictionary<string, string>();

    /// <summary>Git checkout that revisions are built from: a version that is none of <see cref="Versions"/> is then a revision; null: none.</summary>
    public string? Source { get; init; }

    /// <summary>What builds it there, for a VMM with a <see cref="Command"/>; <see cref="Program"/> is then what comes out, relative to the checkout. Empty: nothing is to be built.</summary>
    public IReadOnlyList<string> Build { get; init; } = [];

    /// <summary>How it is started; null: by a driver of its own.</summary>
    public CommandTemplate? Command { get; init; }

    /// <summary>Accelerators it has; empty: not said.</summary>
    public IReadOnlyList<string> Accels { get; init; } = [];

    /// <summary>Architectures it runs; empty: not said.</summary>
    public IReadOnlyList<string> Archs { get; init; } = [];

    /// <summary>The guest's exit code reaches its process status as <c>(code &lt;&lt; 1) | 1</c> (<c>exit: debug-exit</c>); else the console's <c>EXIT: STATUS=n</c> line tells (<c>exit: console</c>).</summary>
    public bool DebugExit { get; init; }
}
