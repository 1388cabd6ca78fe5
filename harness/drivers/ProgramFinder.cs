using Gauntlet.Harness.Matrix;

namespace Gauntlet.Harness.Drivers;

/// <summary>Where a VMM's program is.</summary>
public interface IProgramFinder
{
    /// <summary>The version is one that a matrix names a program for.</summary>
    bool Knows(string version);

    /// <summary>Absolute path, or why there is none and what would add it.</summary>
    (string? Program, string? Problem) Find(string arch, string? version);
}

/// <summary>Finds programs as a shell does, where a matrix or the environment does not name them.</summary>
/// <param name="declaration">The matrix's; null: it says nothing.</param>
/// <param name="variable">Environment variable that names the program: <c>QEMU</c>, <c>GVMM</c>.</param>
/// <param name="candidates">File names to look for in PATH, or paths, for an architecture.</param>
/// <param name="advice">What would add it.</param>
public sealed class ProgramFinder(VmmDeclaration? declaration, string variable, Func<string, IReadOnlyList<string>> candidates, Func<string, string> advice) : IProgramFinder
{
    public bool Knows(string version) => declaration?.Versions.ContainsKey(version) ?? false;

    public (string? Program, string? Problem) Find(string arch, string? version)
    {
        var named = version is not null && declaration?.Versions.GetValueOrDefault(version) is { } byVersion ? (byVersion, $"version {version} in the matrix")
            : declaration?.Program is { } declared ? (declared, "the matrix")
            : System.Environment.GetEnvironmentVariable(variable) is { Length: > 0 } chosen ? (chosen, $"${variable}")
            : ((string Text, string Where)?)null;
        if (named is { } name)
        {
            var program = name.Text.Replace("{arch}", arch, StringComparison.Ordinal);
            var found = InPath(program);
            return found is null ? (null, $"{program}, named by {name.Where}, is not there or no executable file") : (found, null);
        }
        foreach (var candidate in candidates(arch))
        {
            if (InPath(candidate) is { } found)
                return (found, null);
        }
        return (null, advice(arch));
    }

    /// <summary>An executable file by its path, or by its name in PATH; null: none.</summary>
    public static string? InPath(string program)
    {
        if (program.Contains('/'))
            return IsExecutable(program) ? Path.GetFullPath(program) : null;
        foreach (var folder in (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            var path = Path.Combine(folder, program);
            if (IsExecutable(path))
                return Path.GetFullPath(path);
        }
        return null;
    }

    private static bool IsExecutable(string path)
    {
        const UnixFileMode any = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        try
        {
            return File.Exists(path) && (File.GetUnixFileMode(path) & any) != 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
