using System.Diagnostics;

namespace Gauntlet.Vmm.Tests.Storage;

/// <summary>A folder for a test's images, removed with it.</summary>
public sealed class ImageFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("gauntlet-images-").FullName;

    public string this[string name] => Path.Combine(_path, name);

    /// <summary>Runs qemu-img, and fails when it does; returns what it printed.</summary>
    public string QemuImg(params string[] arguments)
    {
        var (status, output) = TryQemuImg(arguments);
        Assert.True(status == 0, $"qemu-img {string.Join(' ', arguments)}: status {status}\n{output}");
        return output;
    }

    public (int Status, string Output) TryQemuImg(params string[] arguments)
    {
        var start = new ProcessStartInfo("qemu-img", arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _path };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
