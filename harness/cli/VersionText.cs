using System.Reflection;

namespace Gauntlet.Cli;

/// <summary>What <c>--version</c> prints.</summary>
public static class VersionText
{
    /// <summary><c>gauntlet 0.1.0+revision</c>, the revision where the build knew it.</summary>
    public static string Current =>
        "gauntlet " + (typeof(VersionText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown");
}
