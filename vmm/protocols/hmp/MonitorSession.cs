using System.Text;
using Gauntlet.Vmm.Chardevs;

namespace Gauntlet.Vmm.Protocols.Hmp;

/// <summary>The monitor on a chardev: a prompt, a line, its answer.</summary>
public sealed class MonitorSession : IChardevUser
{
    private const int MaxLineBytes = 4096;

    private readonly Chardev _chardev;
    private readonly MonitorConsole _console;
    private readonly StringBuilder _line = new();

    public MonitorSession(Chardev chardev, MonitorConsole console)
    {
        (_chardev, _console) = (chardev, console);
        chardev.Attach(this);
    }

    public void OnConnected()
    {
        _line.Clear();
        // On a console that is shared the guest comes first.
        if (_chardev is not MuxChardev)
            Print("gvmm monitor - type 'help' for more information\r\n(gvmm) ");
    }

    public void OnReceived(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            if (value is (byte)'\r' or (byte)'\n')
            {
                var answer = _console.Execute(_line.ToString());
                _line.Clear();
                Print(answer + "(gvmm) ");
            }
            else if (value is 0x7f or 0x08)
            {
                _line.Length = Math.Max(0, _line.Length - 1);
            }
            else if (_line.Length < MaxLineBytes)
            {
                _line.Append((char)value);
            }
        }
    }

    public void OnDisconnected() { }

    private void Print(string text) => _chardev.Write(Encoding.Latin1.GetBytes(text));
}
