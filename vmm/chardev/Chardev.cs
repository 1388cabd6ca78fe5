namespace Gauntlet.Vmm.Chardevs;

/// <summary>The machine's end of a character device: a serial port, a monitor, the qtest server. Called on the device's reading thread.</summary>
public interface IChardevUser
{
    /// <summary>Somebody is at the other end; before the first byte from there.</summary>
    void OnConnected();

    /// <summary>Bytes from the other end. May wait: the sender then waits too.</summary>
    void OnReceived(ReadOnlySpan<byte> bytes);

    /// <summary>The other end is gone; another may come.</summary>
    void OnDisconnected();
}

/// <summary>
/// The host's end of a byte stream that a guest or a client of a protocol uses, by the names of QEMU's <c>-chardev</c>. One user at a time.
/// </summary>
/// <param name="id">As after <c>id=</c>; for QMP and messages.</param>
/// <param name="fileName">Where it leads, as query-chardev tells: <c>unix:/tmp/sock,server=on</c>.</param>
public abstract class Chardev(string id, string fileName) : IDisposable
{
    public string Id { get; } = id;

    public string FileName { get; protected set; } = fileName;

    /// <summary>Who gets what arrives; null until there is somebody.</summary>
    public IChardevUser? User { get; private set; }

    /// <summary>Connects the machine's end. Before <see cref="Start"/>.</summary>
    /// <exception cref="InvalidOperationException">Somebody has it already.</exception>
    public virtual void Attach(IChardevUser user)
    {
        if (User is not null)
            throw new InvalidOperationException($"chardev '{Id}' is in use");
        User = user;
    }

    /// <summary>Sends; from any thread. What is sent while nobody is at the other end is lost, as on a cable that is not plugged in.</summary>
    public abstract void Write(ReadOnlySpan<byte> bytes);

    /// <summary>Begins to receive; waits for the first connection where that was asked for.</summary>
    public abstract void Start();

    public virtual void Dispose() { }
}

/// <summary>Takes everything, gives nothing.</summary>
public sealed class NullChardev(string id) : Chardev(id, "null")
{
    public override void Write(ReadOnlySpan<byte> bytes) { }

    public override void Start() => User?.OnConnected();
}
