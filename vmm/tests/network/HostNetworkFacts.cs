using Gauntlet.Linux;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Tests.Network;

/// <summary>A test that needs a TAP interface; skipped where none can be made.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TapFactAttribute : FactAttribute
{
    public TapFactAttribute()
    {
        try
        {
            string? name = null;
            TapDevice.Open(ref name).Dispose();
        }
        catch (LinuxException why)
        {
            Skip = $"no TAP interface to be had: {why.Message}";
        }
        if (!Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, "ip"))))
            Skip = "ip is not on PATH: install iproute2";
    }
}

/// <summary>A test that needs passt; skipped where it is not installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PasstFactAttribute : FactAttribute
{
    public PasstFactAttribute()
    {
        if (!File.Exists(UserNetwork.Program))
            Skip = $"{UserNetwork.Program} is not there: install passt";
    }
}
