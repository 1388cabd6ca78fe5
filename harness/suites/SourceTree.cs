using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>The checkout that this program belongs to: its suites and matrices are data beside the code.</summary>
public static class SourceTree
{
    /// <summary>Variable that names the checkout, for a program that was copied elsewhere.</summary>
    public const string Variable = "GAUNTLET_ROOT";

    private const string Landmark = "Gauntlet.slnx";

    /// <summary>The checkout's folder; null when the program is not in one and <see cref="Variable"/> isn't set.</summary>
    public static string? Find()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
            return Path.GetFullPath(named);
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Landmark)))
                return folder.FullName;
        }

        return null;
    }

    /// <exception cref="UserException">There is none.</exception>
    public static string Require() => Find() ?? throw new UserException(
        $"The folder with the suites and matrices was not found from {AppContext.BaseDirectory}; set {Variable} to a checkout.", ExitCode.Environment);
}
